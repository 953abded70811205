{{/* An autoscaler of a component's deployment, with the arguments of a pod. */}}
{{- define "sluice.autoscaler" -}}
{{- if eq (.values.autoscaling.engine | default "hpa") "keda" -}}
{{- include "sluice.scaledObject" . -}}
{{- else -}}
{{- include "sluice.podAutoscaler" . -}}
{{- end -}}
{{- end -}}

{{- define "sluice.podAutoscaler" -}}
{{- $scaling := .values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "sluice.name" (list .root .component) }}
  labels:
    {{- include "sluice.labels" (list .root .component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "sluice.name" (list .root .component) }}
  minReplicas: {{ $scaling.min }}
  maxReplicas: {{ $scaling.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ $scaling.cpuPercent }}
    {{- with $scaling.requestsInFlight }}
    # From a metrics adapter (prometheus-adapter, KEDA) that gives serving's own gauge of a pod.
    - type: Pods
      pods:
        metric:
          name: http_server_active_requests
        target:
          type: AverageValue
          averageValue: {{ . | quote }}
    {{- end }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: {{ $scaling.scaleDownSeconds }}
{{- end -}}

{{/* The same by KEDA, which makes the autoscaler and asks Prometheus for it. */}}
{{- define "sluice.scaledObject" -}}
{{- $scaling := .values.autoscaling -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "sluice.name" (list .root .component) }}
  labels:
    {{- include "sluice.labels" (list .root .component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "sluice.name" (list .root .component) }}
  minReplicaCount: {{ $scaling.min }}
  maxReplicaCount: {{ $scaling.max }}
  triggers:
    - type: cpu
      metricType: Utilization
      metadata:
        value: {{ $scaling.cpuPercent | quote }}
    {{- with $scaling.requestsInFlight }}
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ required "serving.autoscaling.prometheusUrl: where KEDA asks for the requests in flight" $scaling.prometheusUrl }}
        query: sum(http_server_active_requests{job="sluice-serving",namespace={{ $.root.Release.Namespace | quote }}})
        threshold: {{ . | quote }}
    {{- end }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: {{ $scaling.scaleDownSeconds }}
{{- end -}}
