{{/* Whether this release has the sandbox: then its pools need nothing that it has not. */}}
{{- define "sagamesh.sandboxed" -}}
{{- if and .Values.evaluationServer.enabled .Values.evaluationServer.sandbox.enabled -}}true{{- end -}}
{{- end -}}

{{/* The two processes of the sandbox, as JSON {"items": [...]}: their names, modules, options and ports. */}}
{{- define "sagamesh.sandbox" -}}
{{- $items := list -}}
{{- if include "sagamesh.sandboxed" . -}}
{{- $items = list
  (dict "name" "gateway" "module" "mesh_workers.sandbox.gateway" "options" (list "--port" "7301")
    "ports" (list (dict "name" "http" "port" 7301)))
  (dict "name" "mailbox" "module" "mesh_workers.sandbox.mailbox" "options" (list "--port" "7302" "--http-port" "7303")
    "ports" (list (dict "name" "smtp" "port" 7302) (dict "name" "http" "port" 7303)))
-}}
{{- end -}}
{{- dict "items" $items | toJson -}}
{{- end -}}

{{/* The name of the sandbox's objects; what runs in it adds its own. */}}
{{- define "sagamesh.sandboxName" -}}
{{ include "sagamesh.fullname" . }}-sandbox
{{- end -}}

{{/* By which the sandbox's pods are found: both of them, or one. Takes {root, name}; no name for both. */}}
{{- define "sagamesh.sandboxSelector" -}}
{{ include "sagamesh.selector" .root }}
app.kubernetes.io/component: sandbox
{{- with .name }}
sagamesh.dev/sandbox: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of the sandbox's objects. Takes {root, name}. */}}
{{- define "sagamesh.sandboxLabels" -}}
{{ include "sagamesh.labels" .root }}
app.kubernetes.io/component: sandbox
{{- with .name }}
sagamesh.dev/sandbox: {{ . }}
{{- end }}
{{- end -}}

{{/*
What the pools are told, as deploy/compose.yaml tells its services: a SQLite file for each agent in the pod's own /data,
contents for the agents that begin with some, the sandbox's addresses, and a key that opens it.
*/}}
{{- define "sagamesh.sandboxSettings" -}}
{{- range .Values.agents }}
{{- if eq .kind "agent" }}
{{- $settings := eq .name "notification" | ternary "mail" .name | replace "." "_" | replace "-" "_" | upper }}
SAGAMESH_{{ $settings }}_DATABASE: sqlite+aiosqlite:////data/{{ replace "." "-" .name }}.db
{{- if has (splitList "." .name | first) (list "accounts" "inventory" "identity" "catalog") }}
SAGAMESH_{{ $settings }}_SEED: demo
{{- end }}
{{- end }}
{{- end }}
SAGAMESH_PAYMENT_URL: http://{{ include "sagamesh.sandboxName" . }}-gateway.{{ .Release.Namespace }}.svc:7301
SAGAMESH_PAYMENT_KEY: sk_test_sandbox
SAGAMESH_MAIL_HOST: {{ include "sagamesh.sandboxName" . }}-mailbox.{{ .Release.Namespace }}.svc
SAGAMESH_MAIL_PORT: "7302"
SAGAMESH_MAIL_TLS: none
SAGAMESH_MAIL_USERNAME: ""
SAGAMESH_MAIL_PASSWORD: ""
{{- end -}}
