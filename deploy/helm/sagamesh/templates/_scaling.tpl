{{/* How fast a scaler may go: out at once, in one worker a minute and only after a quiet window. Takes a pool. */}}
{{- define "sagamesh.behavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - {type: Percent, value: 100, periodSeconds: 15}
    - {type: Pods, value: 4, periodSeconds: 15}
  selectPolicy: Max
scaleDown:
  stabilizationWindowSeconds: {{ .scaling.scaleDownWindowSeconds }}
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}

{{/* The spec of a pool's HorizontalPodAutoscaler without its target. Takes a pool. */}}
{{- define "sagamesh.hpa" -}}
minReplicas: {{ .scaling.minReplicas }}
maxReplicas: {{ .scaling.maxReplicas }}
metrics:
  - type: Resource
    resource:
      name: cpu
      target: {type: Utilization, averageUtilization: {{ .scaling.hpa.cpuPercent }}}
  - type: Resource
    resource:
      name: memory
      target: {type: Utilization, averageUtilization: {{ .scaling.hpa.memoryPercent }}}
behavior:
  {{- include "sagamesh.behavior" . | nindent 2 }}
{{- end -}}

{{/*
The spec of a pool's ScaledObject without its target. Takes {root, pool}.
`queueTypes` is always said: what KEDA takes without it has changed from one version to the next.
*/}}
{{- define "sagamesh.scaledObject" -}}
{{- $root := .root -}}
{{- $pool := .pool -}}
{{- $keda := $pool.scaling.keda -}}
{{- $versioned := $root.Values.versioned.enabled -}}
minReplicaCount: {{ $pool.scaling.minReplicas }}
maxReplicaCount: {{ $pool.scaling.maxReplicas }}
{{- if $keda.stopWhenIdle }}
idleReplicaCount: 0
{{- end }}
pollingInterval: {{ $keda.pollingInterval }}
cooldownPeriod: {{ $keda.cooldownPeriod }}
# While the server does not answer, nobody knows the backlog: keep what runs.
fallback:
  failureThreshold: 3
  replicas: {{ $pool.scaling.minReplicas }}
  behavior: currentReplicasIfHigher
advanced:
  horizontalPodAutoscalerConfig:
    behavior:
      {{- include "sagamesh.behavior" $pool | nindent 6 }}
triggers:
  {{- range $pool.queues }}
  - type: temporal
    metadata:
      endpoint: {{ include "sagamesh.address" $root | quote }}
      {{- /* Empty for the controller to fill in, for each version. */}}
      namespace: {{ $versioned | ternary "" $root.Values.temporal.namespace | quote }}
      taskQueue: {{ . | quote }}
      {{- /* Calls that failed inline are tried again on the queue of their task. */}}
      queueTypes: {{ eq $pool.kind "agent" | ternary "activity" (hasSuffix ".inline" . | ternary "workflow,activity" "workflow") }}
      targetQueueSize: {{ $keda.targetQueueSize | quote }}
      activationTargetQueueSize: {{ $keda.activationTargetQueueSize | quote }}
      {{- with $keda.runningTasksOf }}
      {{- /* Keeps the trigger active; the figure, and with it the number of workers, stays the backlog's. */}}
      includeRunningWorkflowCount: "true"
      workflowTaskQueueForCount: {{ . | quote }}
      {{- end }}
      {{- if $versioned }}
      workerDeploymentName: ""
      workerDeploymentBuildId: ""
      {{- end }}
      {{- /* There is no switch for TLS: KEDA takes it where it has an API key or a client certificate. */}}
      {{- with $root.Values.temporal.tls.serverName }}
      tlsServerName: {{ . | quote }}
      {{- end }}
    {{- if include "sagamesh.secured" $root }}
    authenticationRef:
      name: {{ include "sagamesh.fullname" $root }}-temporal
    {{- end }}
  {{- end }}
  {{- if $keda.busySlots.prometheus }}
  # A backlog of nothing says nothing about calls that run; these keep their workers. Each queue has slots of its own.
  {{- range $pool.queues }}
  - type: prometheus
    metricType: AverageValue
    metadata:
      serverAddress: {{ $keda.busySlots.prometheus | quote }}
      query: {{ printf "sum(temporal_worker_task_slots_used{namespace=%q,pool=%q,task_queue=%q,worker_type=%q%s})" $root.Release.Namespace $pool.name . (eq $pool.kind "agent" | ternary "ActivityWorker" "WorkflowWorker") ($versioned | ternary ",build_id=\"{{temporal_worker_build_id}}\"" "") | quote }}
      threshold: {{ max 1 (div (mul (get ($pool.queueSlots | default dict) . | default $pool.slots | int) (int $keda.busySlots.percent)) 100) | quote }}
  {{- end }}
  {{- end }}
{{- end -}}
