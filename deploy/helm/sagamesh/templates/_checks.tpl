{{/* Values that are each right and together wrong. */}}
{{- define "sagamesh.checks" -}}
{{- $tls := .Values.temporal.tls -}}
{{- if and (not $tls.enabled) (or $tls.clientSecret $tls.caSecret $tls.serverName) -}}
  {{- fail "temporal.tls: certificates or a server name are set, but temporal.tls.enabled is false" -}}
{{- end -}}
{{- if and .Values.temporal.apiKey.secret $tls.clientSecret -}}
  {{- fail "temporal: set either apiKey.secret or tls.clientSecret, a server takes one of them" -}}
{{- end -}}
{{- if and .Values.evaluationServer.enabled (or $tls.enabled .Values.temporal.apiKey.secret) -}}
  {{- fail "evaluationServer: it has neither TLS nor API keys; leave temporal.tls and temporal.apiKey out" -}}
{{- end -}}
{{- if and .Values.istio.enabled (or (not .Values.istio.service) (not .Values.istio.hosts) (not .Values.istio.podLabels)) -}}
  {{- fail "istio: enabled needs istio.service, istio.hosts and istio.podLabels: only inbound traffic has a policy, and workers take none" -}}
{{- end -}}
{{- end -}}
