{{- define "sagamesh.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "sagamesh.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "sagamesh.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sagamesh.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* An image with its digest, or else its tag. Takes {root, image, value}, the last being where the tag is set. */}}
{{- define "sagamesh.image" -}}
{{- $tag := default .root.Chart.AppVersion .image.tag -}}
{{- if eq $tag "latest" -}}
{{- fail (printf "%s: the tag `latest` is another program tomorrow; name a version" .value) -}}
{{- end -}}
{{- with .image.digest -}}
{{- printf "%s@%s" $.image.repository . -}}
{{- else -}}
{{- printf "%s:%s" .image.repository $tag -}}
{{- end -}}
{{- end -}}

{{- define "sagamesh.selector" -}}
app.kubernetes.io/name: {{ include "sagamesh.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sagamesh.labels" -}}
{{ include "sagamesh.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: sagamesh
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sagamesh.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sagamesh.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the account to use, or let the chart create one" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Where the workers find the server: the evaluation server where there is one. */}}
{{- define "sagamesh.address" -}}
{{- if .Values.evaluationServer.enabled -}}
{{- printf "%s-temporal.%s.svc:7233" (include "sagamesh.fullname" .) .Release.Namespace -}}
{{- else -}}
{{- .Values.temporal.address -}}
{{- end -}}
{{- end -}}

{{- define "sagamesh.secured" -}}
{{- if or .Values.temporal.apiKey.secret .Values.temporal.tls.clientSecret .Values.temporal.tls.caSecret -}}true{{- end -}}
{{- end -}}
