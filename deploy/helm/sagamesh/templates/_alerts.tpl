{{/*
One alert, as an item of a list. Takes {root, name, expr, severity, summary, description}, and of these what it has: `for`, `keep`
(how long it goes on firing when the expression no longer holds, so that what comes and goes is one alert), `agent` (the label by
which Alertmanager knows whom it is about), `labels`, `anchor` (of its entry in the runbook) or `runbook` (a whole address).
*/}}
{{- define "sagamesh.alert" }}
- alert: {{ .name }}
  expr: |-
    {{- .expr | nindent 4 }}
  {{- with .for }}
  for: {{ . }}
  {{- end }}
  {{- with .keep }}
  keep_firing_for: {{ . }}
  {{- end }}
  labels:
    severity: {{ .severity }}
    {{- if .root.Values.monitoring.rules.namespaced }}
    namespace: {{ .root.Release.Namespace }}
    {{- end }}
    {{- with .agent }}
    agent: {{ quote . }}
    {{- end }}
    {{- range $name, $value := .labels }}
    {{ $name }}: {{ quote $value }}
    {{- end }}
  annotations:
    summary: {{ quote .summary }}
    description: {{ quote .description }}
    runbook_url: {{ .runbook | default (printf "%s%s" .root.Values.monitoring.rules.runbook (.anchor | default "" | printf "#%s" | trimSuffix "#")) }}
{{- end -}}

{{/* Which series are this release's. Takes the root. */}}
{{- define "sagamesh.where" -}}
{{- ternary (printf "namespace=%q" .Release.Namespace) `namespace=~".*"` .Values.monitoring.rules.namespaced -}}
{{- end -}}

{{/*
What an expression about pools has behind it if KEDA stops all the workers of each while nothing waits for them: it then holds only
where more waits than starts them. Empty where one of them stays. Takes {root, pools}.
*/}}
{{- define "sagamesh.whileCallsWait" -}}
{{- $root := .root -}}
{{- $waits := list -}}
{{- range .pools -}}
{{- $keda := .scaling.keda -}}
{{- if and (eq .scaling.mode "keda") $keda.stopWhenIdle -}}
{{- $queues := list -}}
{{- range .queues }}{{ $queues = append $queues (regexQuoteMeta .) }}{{ end -}}
{{- $waits = append $waits (printf `max(sagamesh_queue_backlog{%s,queue=~%q,kind%s"tasks"}) > %d`
  (include "sagamesh.where" $root) (join "|" $queues) (eq .kind "tasks" | ternary "=" "!=") (int $keda.activationTargetQueueSize)) -}}
{{- end -}}
{{- end -}}
{{- if eq (len $waits) (len .pools) -}}
{{- join "\n  or " $waits | printf "\nand on () (%s)" -}}
{{- end -}}
{{- end -}}

{{/*
For how long pools may have no worker. Where KEDA stops them all, its next look at the queues and a worker's start come on top.
Takes {root, pools}.
*/}}
{{- define "sagamesh.mayBeGone" -}}
{{- if include "sagamesh.whileCallsWait" . -}}
{{- $look := 0 -}}
{{- range .pools }}{{ $look = max $look (int .scaling.keda.pollingInterval) }}{{ end -}}
{{- add $look (int .root.Values.probes.startupSeconds) 60 }}s
{{- else -}}
1m
{{- end -}}
{{- end -}}

{{/* The alerts that come with the chart, but for those of `disabled`. An expression gives one result for all pods of a pool. */}}
{{- define "sagamesh.alerts" -}}
{{- $root := . -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $ns := include "sagamesh.where" . -}}
{{- $alerts := list -}}
{{- $agents := dict -}}
{{- range (include "sagamesh.pools" . | fromJson).items -}}
{{- $pools := dict "root" $root "pools" (list .) -}}
{{- $for := include "sagamesh.mayBeGone" $pools -}}
{{- $alerts = append $alerts (dict "name" "AgentDown" "severity" "critical" "for" $for "agent" .name "anchor" "no-worker-of-an-agent-answers"
  "expr" (printf `(count(up{%s,pool=%q} == 1) or vector(0)) == 0%s` $ns .name (include "sagamesh.whileCallsWait" $pools))
  "summary" (printf "No worker of %s answers" .name)
  "description" (printf "{{ $value }} workers of %s have answered Prometheus for %s. What is sent to it waits; nothing is lost." .name ($for | eq "1m" | ternary "a minute" $for))) -}}
{{- if eq .kind "agent" -}}
{{- /* A capability's type names the agent, and is counted for all its zones together. */ -}}
{{- $agent := splitList "." .name | first -}}
{{- $_ := set $agents $agent (append (get $agents $agent | default list) .) -}}
{{- end -}}
{{- end -}}
{{- $idle := list -}}
{{- range $agent, $its := $agents -}}
{{- $pools := dict "root" $root "pools" $its -}}
{{- with include "sagamesh.whileCallsWait" $pools -}}
{{- $idle = append $idle $agent -}}
{{- $alerts = append $alerts (dict "name" "AgentWithoutPollers" "severity" "critical" "for" (include "sagamesh.mayBeGone" $pools) "agent" $agent "anchor" "tasks-start-but-nothing-happens"
  "expr" (printf `min(max by (capability) (orchestrator_active_agents{%s,capability=~"%s[.][^.]+"})) == 0%s` $ns $agent .)
  "summary" (printf "Nobody takes calls of %s" $agent)
  "description" (printf "As the Temporal server sees it, {{ $value }} workers ask for calls of at least one capability of %s. They wait; nothing is lost." $agent)) -}}
{{- end -}}
{{- end -}}
{{- $others := "" -}}
{{- with $idle }}{{ $others = printf `,capability!~"(%s)[.][^.]+"` (join "|" .) }}{{ end -}}
{{- $alerts = append $alerts (dict "name" "AgentWithoutPollers" "severity" "critical" "for" "1m" "agent" "{{ $labels.agent }}" "anchor" "tasks-start-but-nothing-happens"
  "expr" (printf `min by (agent) (label_replace(max by (capability) (orchestrator_active_agents{%s%s}), "agent", "$1", "capability", "(.+)[.][^.]+")) == 0` $ns $others)
  "summary" "Nobody takes calls of {{ $labels.agent }}"
  "description" "As the Temporal server sees it, {{ $value }} workers ask for calls of at least one capability of {{ $labels.agent }}. They wait; nothing is lost.") -}}
{{- $alerts = append $alerts (dict "name" "TaskNeedsOperator" "severity" "error" "for" "1m" "keep" "5m" "anchor" "needs_operator-a-compensation-has-failed"
  "expr" (printf `max by (task_type) (sagamesh_tasks_need_operator{%s}) > 0` $ns)
  "summary" "{{ $labels.task_type }}: a compensation waits for a person"
  "description" "{{ $value }} tasks of type {{ $labels.task_type }} could not be undone and wait for a decision: sagamesh list --needs-operator") -}}
{{- $alerts = append $alerts (dict "name" "WorkflowTasksFail" "severity" "error" "for" "1m" "anchor" "workflow-tasks-fail-web-ui-workflowtaskfailed"
  "expr" (printf `sum by (workflow_type) (increase(temporal_workflow_task_execution_failed{%s}[30m])) > 0` $ns)
  "summary" "The code of {{ $labels.workflow_type }} fails"
  "description" "{{ $value | printf \"%.0f\" }} workflow tasks of {{ $labels.workflow_type }} have failed within half an hour. These tasks stand still until code that fits them is deployed.") -}}
{{- $alerts = append $alerts (dict "name" "MeshReadingOld" "severity" "error" "for" "2m" "anchor" "figures-of-the-mesh-are-missing"
  "expr" (printf `min by (of) (sagamesh_mesh_reading_age_seconds{%s}) > 180` $ns)
  "summary" "The {{ $labels.of }} of the mesh have not been read"
  "description" "The last reading of the {{ $labels.of }} is {{ $value | humanizeDuration }} old, in every process that hosts tasks. Alerts about them say nothing meanwhile.") -}}
{{- $alerts = append $alerts (dict "name" "HighCpuUsage" "severity" "warning" "for" "5m" "keep" "5m" "agent" "{{ $labels.agent_id }}" "anchor" "an-agent-is-short-of-cpu-or-memory"
  "expr" (printf `max by (agent_id) (system_cpu_usage{%s}) > %d` $ns (int $rules.cpuPercent))
  "summary" "{{ $labels.agent_id }} is short of CPU"
  "description" (printf "A worker of {{ $labels.agent_id }} uses {{ $value | printf \"%%.0f\" }} %% of its CPU; the limit is %d %%." (int $rules.cpuPercent))) -}}
{{- $alerts = append $alerts (dict "name" "HighMemoryUsage" "severity" "warning" "for" "5m" "keep" "5m" "agent" "{{ $labels.agent_id }}" "anchor" "an-agent-is-short-of-cpu-or-memory"
  "expr" (printf `max by (agent_id) (system_memory_usage{%s}) > %d` $ns (int $rules.memoryPercent))
  "summary" "{{ $labels.agent_id }} is short of memory"
  "description" (printf "A worker of {{ $labels.agent_id }} uses {{ $value | printf \"%%.0f\" }} %% of its memory; the limit is %d %%. At 100 %% it is killed." (int $rules.memoryPercent))) -}}
{{- $alerts = append $alerts (dict "name" "Backlog" "severity" "warning" "for" "5m" "keep" "5m" "agent" "{{ $labels.queue | reReplaceAll \"/.*\" \"\" }}" "anchor" "calls-wait-for-a-worker"
  "expr" (printf `max by (queue, kind) (sagamesh_queue_backlog_age_seconds{%s}) > %d` $ns (int $rules.waitSeconds))
  "summary" "{{ $labels.queue }}: what is sent there waits"
  "description" (printf "The first in the queue {{ $labels.queue }} ({{ $labels.kind }}) has waited {{ $value | humanizeDuration }} for a worker; the limit is %d s." (int $rules.waitSeconds))) -}}
{{- $alerts = append $alerts (dict "name" "BreakerOpen" "severity" "warning" "for" "1m" "keep" "5m" "agent" "{{ $labels.agent }}" "anchor" "a-breaker-is-open"
  "expr" (printf `sum by (agent, breaker) (sagamesh_breaker_open{%s}) > 0` $ns)
  "summary" "The breaker {{ $labels.breaker }} of {{ $labels.agent }} is open"
  "description" "{{ $value }} workers of {{ $labels.agent }} make no calls behind the breaker {{ $labels.breaker }}, except to see whether they succeed again.") -}}
{{- $alerts = append $alerts (dict "name" "CallsFail" "severity" "warning" "for" "5m" "keep" "5m" "agent" "{{ $labels.agent_id }}" "anchor" "a-step-is-attempted-again-and-again"
  "expr" (printf (join "\n" (list
    `100 * sum by (agent_id) (rate(agent_tasks_total{%[1]s,status="failed"}[5m]))`
    `  / sum by (agent_id) (rate(agent_tasks_total{%[1]s,status!="refused"}[5m])) > %[2]d`
    `and sum by (agent_id) (increase(agent_tasks_total{%[1]s,status="failed"}[5m])) >= 5`)) $ns (int $rules.failurePercent))
  "summary" "Calls of {{ $labels.agent_id }} fail"
  "description" (printf "{{ $value | printf \"%%.0f\" }} %% of the attempts of {{ $labels.agent_id }} have failed within five minutes; the limit is %d %%. They are tried again, as far as their policies go." (int $rules.failurePercent))) -}}
{{- $alerts = append $alerts (dict "name" "WorkersNotReady" "severity" "warning" "for" "3m" "agent" "{{ $labels.pool }}" "anchor" "workers-are-not-ready-or-do-not-answer"
  "expr" (printf `count by (pool) (max_over_time(sagamesh_worker_ready{%s}[2m]) == 0)` $ns)
  "summary" "Workers of {{ $labels.pool }} are not ready"
  "description" "{{ $value }} workers of {{ $labels.pool }} run, and have not been ready for five minutes. Their /readyz says why.") -}}
{{- $alerts = append $alerts (dict "name" "WorkersUnreachable" "severity" "warning" "for" "3m" "agent" "{{ $labels.pool }}" "anchor" "workers-are-not-ready-or-do-not-answer"
  "expr" (printf `count by (pool) (max_over_time(up{%s,pool!=""}[2m]) == 0)` $ns)
  "summary" "Workers of {{ $labels.pool }} do not answer"
  "description" "{{ $value }} workers of {{ $labels.pool }} are there, and have not answered Prometheus for five minutes: nothing is known of them.") -}}
{{- $alerts = append $alerts (dict "name" "WorkersRestart" "severity" "warning" "keep" "5m" "agent" "{{ $labels.pool }}" "anchor" "a-pool-restarts-again-and-again"
  "expr" (printf `sum by (pool) (changes(process_start_time_seconds{%s,pool!=""}[15m])) >= 3` $ns)
  "summary" "Workers of {{ $labels.pool }} restart again and again"
  "description" "Workers of {{ $labels.pool }} have restarted {{ $value }} times within a quarter of an hour.") -}}
{{- $alerts = append $alerts (dict "name" "VersionsSideBySide" "severity" "info" "for" "1h" "agent" "{{ $labels.pool }}" "anchor" "two-versions-of-a-pool-run-for-hours"
  "expr" (printf `count by (pool) (count by (pool, build_id) (up{%s,pool!="",build_id!=""} == 1)) > 1` $ns)
  "summary" "{{ $value }} versions of {{ $labels.pool }} run"
  "description" "{{ $value }} versions of {{ $labels.pool }} have run side by side for an hour: a release is not finished, or tasks still need the old version.") -}}
{{- range $alerts -}}
{{- if not (has .name $rules.disabled) -}}
{{- include "sagamesh.alert" (merge (dict "root" $root) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What a rule of the user's looks at: its `expr`, or its `metric` as one figure for each value of the labels `by`. Takes {root, rule}. */}}
{{- define "sagamesh.figure" -}}
{{- with .rule -}}
{{- if .expr -}}
({{ .expr }})
{{- else -}}
{{- $matchers := list (include "sagamesh.where" $.root) -}}
{{- range $label, $value := .match }}{{ $matchers = append $matchers (printf "%s=%q" $label $value) }}{{ end -}}
{{ .aggregate | default "max" }} by ({{ join ", " (.by | default list) }}) ({{ .metric }}{ {{- join "," $matchers -}} })
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The alerts of `thresholds` and `changes`. Both go by the same fields, but for what is compared with what. */}}
{{- define "sagamesh.ownAlerts" -}}
{{- $root := . -}}
{{- range .Values.monitoring.rules.thresholds -}}
{{- $figure := include "sagamesh.figure" (dict "root" $root "rule" .) -}}
{{- include "sagamesh.ownAlert" (dict "root" $root "rule" .
  "expr" (printf "%s %s %v" $figure .operator .value)
  "description" (printf "%s is {{ $value | printf \"%%.4g\" }}; the alert is for %s %v." (.metric | default .name) .operator .value)) -}}
{{- end -}}
{{- range .Values.monitoring.rules.changes -}}
{{- $now := include "sagamesh.figure" (dict "root" $root "rule" .) -}}
{{- /* A subquery, because only what is a plain metric takes an offset. */ -}}
{{- $before := printf "last_over_time((%s)[5m:1m] offset %s)" $now .within -}}
{{- $change := .percent | default .amount -}}
{{- $operator := ternary ">" "<" (gt (float64 $change) 0.0) -}}
{{- $unit := ternary " %" "" (hasKey . "percent") -}}
{{- include "sagamesh.ownAlert" (dict "root" $root "rule" .
  "expr" (ternary (printf "100 * (%s / (%s > 0) - 1) %s %v" $now $before $operator $change) (printf "%s - %s %s %v" $now $before $operator $change) (hasKey . "percent"))
  "description" (printf "%s has changed by {{ $value | printf \"%%.4g\" }}%s within %s; the alert is for %s %v%s." (.metric | default .name) $unit .within $operator $change $unit)) -}}
{{- end -}}
{{- end -}}

{{- define "sagamesh.ownAlert" -}}
{{- $rule := .rule -}}
{{- include "sagamesh.alert" (dict "root" .root "name" $rule.name "expr" .expr "labels" $rule.labels "runbook" $rule.runbook
  "for" ($rule.for | default "5m") "keep" $rule.keepFiringFor "severity" ($rule.severity | default "warning")
  "summary" ($rule.summary | default $rule.name) "description" ($rule.description | default .description)) -}}
{{- end -}}

{{/* Everything, as the list of a group's rules; two of one name are refused, because Alertmanager would take them for one. */}}
{{- define "sagamesh.allAlerts" -}}
{{- $ours := include "sagamesh.alerts" . -}}
{{- $taken := list -}}
{{- range fromYamlArray $ours }}{{ $taken = append $taken .alert }}{{ end -}}
{{- range $kind := list "thresholds" "changes" -}}
{{- range get $.Values.monitoring.rules $kind -}}
{{- if has .name $taken -}}
{{- fail (printf "monitoring.rules.%s: there is an alert %s already; take another name, or name it in monitoring.rules.disabled if it is the chart's" $kind .name) -}}
{{- end -}}
{{- $taken = append $taken .name -}}
{{- end -}}
{{- end -}}
{{ $ours }}
{{- include "sagamesh.ownAlerts" . -}}
{{- end -}}
