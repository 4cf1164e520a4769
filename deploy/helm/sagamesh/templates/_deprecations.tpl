{{/*
Values that are gone, each with what took its place. A chart that ignored them would be upgraded in silence to something
else than its values say. The schema admits them, or its "unknown value" would come before the better message here.
*/}}
{{- define "sagamesh.deprecations" -}}
{{- $gone := list
  (list "autoscaling" "defaults.scaling, or for one pool pools.<name>.scaling")
  (list "replicaCount" "defaults.scaling.replicas, or for one pool pools.<name>.scaling.replicas")
  (list "versioned.gate" "pools.<name>.gate, of the pool that hosts its task")
-}}
{{- $used := list -}}
{{- range $gone -}}
  {{- $at := $.Values -}}
  {{- $given := true -}}
  {{- range splitList "." (first .) -}}
    {{- $given = and $given (kindIs "map" $at) (hasKey $at .) -}}
    {{- if $given }}{{ $at = get $at . }}{{ end -}}
  {{- end -}}
  {{- if $given -}}
    {{- $used = append $used (printf "%s is gone: use %s" (first .) (last .)) -}}
  {{- end -}}
{{- end -}}
{{- if $used -}}
  {{- fail (join "; " $used) -}}
{{- end -}}
{{- end -}}
