{{/*
All pools, as JSON {"items": [...]}: each entry of `agents` over `defaults`, and what `pools` says of it over both.
Adds `object`, the name of its objects, `pod`, the labels by which its pods are found, and to `queues` those of tasks that run inline.
*/}}
{{- define "sagamesh.pools" -}}
{{- include "sagamesh.deprecations" . -}}
{{- include "sagamesh.checks" . -}}
{{- $root := . -}}
{{- $items := list -}}
{{- $objects := dict -}}
{{- $known := list -}}
{{- range $root.Values.agents }}{{ $known = append $known .name }}{{ end -}}
{{- range $root.Values.agents -}}
  {{- $own := default dict (get $root.Values.pools .name) -}}
  {{- $pool := mergeOverwrite (deepCopy $root.Values.defaults) (deepCopy .) (deepCopy $own) -}}
  {{- $object := printf "%s-%s" (include "sagamesh.fullname" $root) (replace "." "-" .name) -}}
  {{- if gt (len $object) 63 -}}
    {{- fail (printf "agents: the objects of %s would be called %s, which has more than 63 characters; set a shorter fullnameOverride" .name $object) -}}
  {{- end -}}
  {{- if hasKey $objects $object -}}
    {{- fail (printf "agents: %s and %s would both be called %s in Kubernetes" (get $objects $object) .name $object) -}}
  {{- end -}}
  {{- $_ := set $objects $object .name -}}
  {{- $_ := set $pool "object" $object -}}
  {{- $_ := set $pool "pod" (dict "app.kubernetes.io/name" (include "sagamesh.name" $root) "app.kubernetes.io/instance" $root.Release.Name "app.kubernetes.io/component" $pool.kind "sagamesh.dev/pool" .name) -}}
  {{- if include "sagamesh.sandboxed" $root -}}
    {{- /* Each pod has its own SQLite, and two of them would be two worlds. */ -}}
    {{- $_ := set $pool "scaling" (mergeOverwrite $pool.scaling (dict "mode" "fixed" "replicas" 1)) -}}
  {{- end -}}
  {{- if and (ne $pool.scaling.mode "fixed") (gt (int $pool.scaling.minReplicas) (int $pool.scaling.maxReplicas)) -}}
    {{- fail (printf "%s: scaling.minReplicas (%d) is more than scaling.maxReplicas (%d)" .name (int $pool.scaling.minReplicas) (int $pool.scaling.maxReplicas)) -}}
  {{- end -}}
  {{- if and (eq $pool.scaling.mode "keda") $pool.scaling.keda.runningTasksOf (not $pool.scaling.keda.stopWhenIdle) -}}
    {{- fail (printf "%s: scaling.keda.runningTasksOf only keeps KEDA from stopping the last workers, so it needs scaling.keda.stopWhenIdle; for calls that run to count as load, set scaling.keda.busySlots.prometheus" .name) -}}
  {{- end -}}
  {{- if $pool.inline -}}
    {{- if ne $pool.kind "tasks" -}}
      {{- fail (printf "pools.%s.inline: it is no pool of tasks; set it for the pool that hosts them, and name %s in its `serves`" .name .name) -}}
    {{- end -}}
    {{- /* A task that is started inline waits beside the plain ones, on a queue that only such processes ask. */ -}}
    {{- $hosted := default (list .name) $pool.serves -}}
    {{- range $root.Values.agents -}}
      {{- if and (eq .kind "tasks") (has .name $hosted) -}}
        {{- range .queues }}{{ $_ := set $pool "queues" (append $pool.queues (printf "%s.inline" .)) }}{{ end -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
  {{- if and $pool.gate (ne $pool.kind "tasks") -}}
    {{- fail (printf "pools.%s.gate: its workers host no tasks, so %s would wait there for ever; set it for the pool that hosts it" .name $pool.gate.workflowType) -}}
  {{- end -}}
  {{- include "sagamesh.poolChecks" (dict "root" $root "pool" $pool "known" $known) -}}
  {{- $items = append $items $pool -}}
{{- end -}}
{{- range $name, $_ := $root.Values.pools -}}
  {{- if not (has $name $known) -}}
    {{- fail (printf "pools: %s is none of `agents` (%s)" $name (default "which is empty: write it with `sagamesh deploy values`" (join ", " $known))) -}}
  {{- end -}}
{{- end -}}
{{- dict "items" $items | toJson -}}
{{- end -}}

{{/* Labels of a pool's objects. Takes {root, pool}. */}}
{{- define "sagamesh.poolLabels" -}}
{{ include "sagamesh.labels" .root }}
app.kubernetes.io/component: {{ .pool.kind }}
sagamesh.dev/pool: {{ .pool.name }}
{{- with .pool.zone }}
sagamesh.dev/zone: {{ . }}
{{- end }}
{{- end -}}
