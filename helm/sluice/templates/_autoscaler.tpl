{{/* An autoscaler of a component's deployment, with the arguments of a pod. */}}
{{- define "sluice.autoscaler" -}}
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
      # A pod that has loaded its models is not given up for a quiet minute.
      stabilizationWindowSeconds: 300
{{- end -}}
