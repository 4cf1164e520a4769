{{/*
The pod of a pool: metadata and spec. Takes {root, pool}.
The worker controller itself injects the server's address, namespace, API key and client certificate.
*/}}
{{- define "sagamesh.pod" -}}
{{- $root := .root -}}
{{- $pool := .pool -}}
{{- $temporal := $root.Values.temporal -}}
{{- $own := not $root.Values.versioned.enabled -}}
{{- $sandboxed := include "sagamesh.sandboxed" $root -}}
{{- /* For its SQLite, unless the pool has something of its own there. */ -}}
{{- $data := $sandboxed -}}
{{- range $pool.volumeMounts }}{{ if eq (.mountPath | default "" | trimSuffix "/") "/data" }}{{ $data = "" }}{{ end }}{{ end -}}
metadata:
  labels:
    {{- toYaml $pool.pod | nindent 4 }}
    {{- with $pool.zone }}
    sagamesh.dev/zone: {{ . }}
    {{- end }}
  {{- with $pool.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "sagamesh.serviceAccount" $root }}
  # A worker speaks with Temporal, never with Kubernetes.
  automountServiceAccountToken: false
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile:
      type: RuntimeDefault
  # The pause before the stop, the time for polls to end, the grace for what runs, the three seconds after which the worker
  # ends itself, and two more in which it writes its last lines. Whatever is shorter has Kubernetes kill work that would
  # have ended.
  terminationGracePeriodSeconds: {{ add (int $pool.preStopSeconds) (ceil $pool.drainSeconds | int) (ceil $pool.graceSeconds | int) 3 2 }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- toYaml $pool.pod | nindent 10 }}
    {{- end }}
  {{- with $pool.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pool.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pool.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: worker
      image: {{ include "sagamesh.image" (dict "root" $root "image" $root.Values.image "value" "image.tag") }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      command: [sagamesh, worker]
      args:
        {{- range default (list $pool.name) $pool.serves }}
        - {{ . | quote }}
        {{- end }}
        {{- if $pool.inline }}
        - --inline
        {{- end }}
      env:
        {{- with $root.Values.app }}
        - name: SAGAMESH_APP
          value: {{ . | quote }}
        {{- end }}
        - name: SAGAMESH_PROBE_PORT
          value: {{ $root.Values.probes.port | quote }}
        # The kubelet asks from outside the pod.
        - name: SAGAMESH_PROBE_HOST
          value: {{ $root.Values.probes.host | quote }}
        - name: SAGAMESH_SLOTS
          value: {{ $pool.slots | quote }}
        - name: SAGAMESH_GRACE
          value: {{ $pool.graceSeconds | quote }}
        - name: SAGAMESH_DRAIN
          value: {{ $pool.drainSeconds | quote }}
        - name: SAGAMESH_LOG_LEVEL
          value: {{ $pool.logLevel }}
        {{- if $own }}
        - name: TEMPORAL_ADDRESS
          value: {{ include "sagamesh.address" $root | quote }}
        - name: TEMPORAL_NAMESPACE
          value: {{ $temporal.namespace | quote }}
        {{- with $temporal.apiKey.secret }}
        - name: TEMPORAL_API_KEY
          valueFrom:
            secretKeyRef:
              name: {{ . }}
              key: {{ $temporal.apiKey.key }}
        {{- end }}
        {{- if $temporal.tls.enabled }}
        - name: TEMPORAL_TLS
          value: "true"
        {{- if $temporal.tls.clientSecret }}
        - name: TEMPORAL_TLS_CLIENT_CERT_PATH
          value: /etc/temporal/client/tls.crt
        - name: TEMPORAL_TLS_CLIENT_KEY_PATH
          value: /etc/temporal/client/tls.key
        {{- end }}
        {{- with $temporal.tls.serverName }}
        - name: TEMPORAL_TLS_SERVER_NAME
          value: {{ . | quote }}
        {{- end }}
        {{- end }}
        {{- end }}
        {{- if and $temporal.tls.enabled $temporal.tls.caSecret }}
        - name: TEMPORAL_TLS_SERVER_CA_CERT_PATH
          value: /etc/temporal/ca/ca.crt
        {{- end }}
        {{- range $name, $value := $pool.env }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      {{- if or $sandboxed $pool.envFrom }}
      envFrom:
        {{- if $sandboxed }}
        # First, so that what follows wins.
        - secretRef:
            name: {{ include "sagamesh.sandboxName" $root }}
        {{- end }}
        {{- with $pool.envFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - name: probes
          containerPort: {{ $root.Values.probes.port }}
      {{- /* Started says nothing of the server and of dependencies: an outage kills no new pod, which is not ready until it ends. */}}
      startupProbe:
        httpGet: {path: /startupz, port: probes}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: {{ div (add (int $root.Values.probes.startupSeconds) 1) 2 }}
      livenessProbe:
        httpGet: {path: /livez, port: probes}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, port: probes}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      {{- if $pool.preStopSeconds }}
      lifecycle:
        # On a drain the replacement gets this much of a start before this worker stops taking work.
        preStop:
          sleep:
            seconds: {{ $pool.preStopSeconds }}
      {{- end }}
      resources:
        {{- toYaml $pool.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if $data }}
        - name: sandbox-data
          mountPath: /data
        {{- end }}
        {{- if and $temporal.tls.enabled $temporal.tls.caSecret }}
        - name: temporal-ca
          mountPath: /etc/temporal/ca
          readOnly: true
        {{- end }}
        {{- if and $own $temporal.tls.enabled $temporal.tls.clientSecret }}
        - name: temporal-client
          mountPath: /etc/temporal/client
          readOnly: true
        {{- end }}
        {{- with $pool.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ $pool.tmpSize }}
    {{- if $data }}
    - name: sandbox-data
      emptyDir:
        sizeLimit: 1Gi
    {{- end }}
    {{- if and $temporal.tls.enabled $temporal.tls.caSecret }}
    - name: temporal-ca
      secret:
        secretName: {{ $temporal.tls.caSecret }}
    {{- end }}
    {{- if and $own $temporal.tls.enabled $temporal.tls.clientSecret }}
    - name: temporal-client
      secret:
        secretName: {{ $temporal.tls.clientSecret }}
    {{- end }}
    {{- with $pool.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
