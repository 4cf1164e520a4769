{{/* Values that are each right and together wrong. */}}
{{- define "sagamesh.checks" -}}
{{- $tls := .Values.temporal.tls -}}
{{- if and (not $tls.enabled) (or $tls.clientSecret $tls.caSecret $tls.serverName) -}}
  {{- fail "temporal.tls: certificates or a server name are set, but temporal.tls.enabled is false" -}}
{{- end -}}
{{- if and .Values.temporal.apiKey.secret $tls.clientSecret -}}
  {{- fail "temporal: set either apiKey.secret or tls.clientSecret, a server takes one of them" -}}
{{- end -}}
{{- if and .Values.versioned.enabled $tls.enabled (not $tls.clientSecret) (not .Values.temporal.apiKey.secret) -}}
  {{- fail "temporal.tls: versioned.enabled needs temporal.tls.clientSecret or temporal.apiKey.secret: without one of them the worker controller connects in plain text, itself and its workers, and it trusts no temporal.tls.caSecret" -}}
{{- end -}}
{{- if lt (include "sagamesh.seconds" .Values.monitoring.interval | int) 10 -}}
  {{- fail (printf "monitoring.interval: %s is less than the 10s that a reading may take" .Values.monitoring.interval) -}}
{{- end -}}
{{- $share := 0 -}}
{{- range $index, $step := .Values.versioned.steps -}}
  {{- if lt (include "sagamesh.seconds" .pauseDuration | int) 30 -}}
    {{- fail (printf "versioned.steps[%d].pauseDuration: %s is less than 30s, the least that the worker controller takes" $index .pauseDuration) -}}
  {{- end -}}
  {{- if le (int .rampPercentage) $share -}}
    {{- fail (printf "versioned.steps[%d].rampPercentage: %d is not more than the %d before it" $index (int .rampPercentage) $share) -}}
  {{- end -}}
  {{- $share = int .rampPercentage -}}
{{- end -}}
{{- if and .Values.evaluationServer.enabled (or $tls.enabled .Values.temporal.apiKey.secret) -}}
  {{- fail "evaluationServer: it has neither TLS nor API keys; leave temporal.tls and temporal.apiKey out" -}}
{{- end -}}
{{- if and .Values.istio.enabled (or (not .Values.istio.service) (not .Values.istio.hosts) (not .Values.istio.podLabels)) -}}
  {{- fail "istio: enabled needs istio.service, istio.hosts and istio.podLabels: only inbound traffic has a policy, and workers take none" -}}
{{- end -}}
{{- end -}}

{{/* What is wrong with one pool. Takes {root, pool, known}, the last being the names of all pools. */}}
{{- define "sagamesh.poolChecks" -}}
{{- $pool := .pool -}}
{{- $known := .known -}}
{{- $temporal := .root.Values.temporal -}}
{{- if and (eq $pool.scaling.mode "keda") $temporal.tls.enabled (not $temporal.tls.clientSecret) (not $temporal.apiKey.secret) -}}
  {{- fail (printf "%s: scaling.mode keda with temporal.tls.enabled needs temporal.tls.clientSecret or temporal.apiKey.secret: without one of them KEDA connects in plain text, whatever temporal.tls.caSecret says; or take scaling.mode hpa" $pool.name) -}}
{{- end -}}
{{- range $pool.serves -}}
  {{- if not (has . $known) -}}
    {{- fail (printf "%s: serves: %s is none of `agents` (%s)" $pool.name . (join ", " $known)) -}}
  {{- end -}}
{{- end -}}
{{- range $what, $asked := $pool.resources.requests -}}
  {{- $limit := get $pool.resources.limits $what -}}
  {{- if gt (include "sagamesh.amount" $asked | float64) (include "sagamesh.amount" $limit | float64) -}}
    {{- fail (printf "%s: resources.requests.%s (%v) is more than resources.limits.%s (%v)" $pool.name $what $asked $what $limit) -}}
  {{- end -}}
{{- end -}}
{{- $volumes := list "tmp" -}}
{{- if and $temporal.tls.enabled $temporal.tls.caSecret }}{{ $volumes = append $volumes "temporal-ca" }}{{ end -}}
{{- range $pool.volumes -}}
  {{- if or (has .name $volumes) (has .name (list "temporal-ca" "temporal-client" "temporal-tls" "sandbox-data")) -}}
    {{- fail (printf "%s: volumes: there is a volume %s already, take another name" $pool.name .name) -}}
  {{- end -}}
  {{- $volumes = append $volumes .name -}}
{{- end -}}
{{- range $pool.volumeMounts -}}
  {{- if not (has .name $volumes) -}}
    {{- fail (printf "%s: volumeMounts: %s is none of its volumes (%s)" $pool.name .name (join ", " $volumes)) -}}
  {{- end -}}
{{- end -}}
{{- range $variable, $value := $pool.env -}}
  {{- if regexMatch "(?i)((PASSWORD|PASSWD|PASSPHRASE|SECRET|KEY|HEADER)S?|TOKEN|DATABASE|DSN)(_?[0-9]+)?$" $variable -}}
    {{- fail (printf "%s: env.%s may hold a secret: put it into a Secret, and name that in envFrom as secretRef" $pool.name $variable) -}}
  {{- end -}}
  {{- if regexMatch "://[^/?#\\s]*:[^/?#\\s]+@" (toString $value) -}}
    {{- fail (printf "%s: env.%s is a URL with a password: put it into a Secret, and name that in envFrom as secretRef" $pool.name $variable) -}}
  {{- end -}}
  {{- if regexMatch "^(TEMPORAL_.*|SAGAMESH_(APP|SLOTS|GRACE|DRAIN|PROBE_PORT|PROBE_HOST|LOG_LEVEL))$" $variable -}}
    {{- fail (printf "%s: env.%s is set by the chart, from a value of its own" $pool.name $variable) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* A time such as 1h30m in seconds. */}}
{{- define "sagamesh.seconds" -}}
{{- $units := dict "h" 3600 "m" 60 "s" 1 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+[hms]" . -1 -}}
  {{- $unit := trimAll "0123456789" . -}}
  {{- $sum = add $sum (mul (trimSuffix $unit . | int64) (get $units $unit)) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* Cores or bytes, of what Kubernetes writes as 0.5, 500m, 192Mi or 1G, as a plain number. */}}
{{- define "sagamesh.amount" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- $amount := toString . -}}
{{- $number := regexFind "^[0-9.]+(e[+-]?[0-9]+)?" $amount -}}
{{- mulf (float64 $number) (get $units (trimPrefix $number $amount)) -}}
{{- end -}}
