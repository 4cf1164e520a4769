{{/* How a pool's /metrics is read: the pool's name becomes the label `pool`. Takes the root. */}}
{{- define "sagamesh.endpoint" -}}
- port: probes
  path: /metrics
  interval: {{ .Values.monitoring.interval }}
  scrapeTimeout: 10s
  relabelings:
    - sourceLabels: [__meta_kubernetes_pod_label_sagamesh_dev_pool]
      targetLabel: pool
{{- end -}}
