{{/* How a pool's /metrics is read: the pool's name becomes the label `pool`, and its version `build_id`. Takes the root. */}}
{{- define "sagamesh.endpoint" -}}
- port: probes
  path: /metrics
  interval: {{ .Values.monitoring.interval }}
  scrapeTimeout: 10s
  relabelings:
    - sourceLabels: [__meta_kubernetes_pod_label_sagamesh_dev_pool]
      targetLabel: pool
    - sourceLabels: [__meta_kubernetes_pod_label_temporal_io_build_id]
      targetLabel: build_id
{{- end -}}
