{{/* Dask's pods: of the deployments that all runs share, or of a run's own cluster, which the operator makes. */}}

{{- define "sluice.dask.schedulerPod" -}}
{{- dict "component" "dask-scheduler" "values" .Values.dask.scheduler "image" "flows" "secrets" (list)
  "environment" (include "sluice.environment" (list . "dask") | fromYaml) | toYaml -}}
{{- end -}}

{{- define "sluice.dask.workerPod" -}}
{{- dict "component" "dask-worker" "values" .Values.dask.worker "image" "flows" "data" "rw" "sources" true "spread" true
  "secrets" (list "prefect" "mlflow" "documents" "extra") "grace" 60
  "environment" (include "sluice.environment" (list . "dask") | fromYaml) | toYaml -}}
{{- end -}}

{{- define "sluice.dask.schedulerSpec" -}}
{{- $pod := merge (dict "root" .) (include "sluice.dask.schedulerPod" . | fromYaml) -}}
{{ include "sluice.podSpec" $pod }}
containers:
  - name: dask-scheduler
    command:
      - python
      - -m
      - dask
      - scheduler
      - --port={{ include "sluice.port" (list "dask-scheduler" "comm") }}
      - --dashboard-address=:{{ include "sluice.port" (list "dask-scheduler" "http") }}
    {{- include "sluice.process" $pod | nindent 4 }}
    ports:
      {{- include "sluice.containerPorts" "dask-scheduler" | nindent 6 }}
    startupProbe:
      {{- include "sluice.httpProbe" (dict "path" "/health" "port" "http" "period" 5 "failures" 60) | nindent 6 }}
    readinessProbe:
      {{- include "sluice.httpProbe" (dict "path" "/health" "port" "http") | nindent 6 }}
    livenessProbe:
      {{- include "sluice.httpProbe" (dict "path" "/health" "port" "http" "period" 20 "timeout" 10 "failures" 6) | nindent 6 }}
volumes:
  {{- include "sluice.volumes" $pod | nindent 2 }}
{{- end -}}

{{/* "address" is the scheduler's, "name" what the worker is called there. */}}
{{- define "sluice.dask.workerSpec" -}}
{{- $values := .root.Values -}}
{{- $pod := merge (dict "root" .root) (include "sluice.dask.workerPod" .root | fromYaml) -}}
{{ include "sluice.podSpec" $pod }}
containers:
  - name: dask-worker
    command:
      - python
      - -m
      - dask
      - worker
      - {{ .address }}
      - --name={{ .name }}
      - --nworkers=1
      - --nthreads={{ $values.dask.worker.threads }}
      - --memory-limit=$(DASK_MEMORY_BYTES)
      - --worker-port={{ include "sluice.port" (list "dask-worker" "comm") }}
      - --nanny-port={{ include "sluice.port" (list "dask-worker" "nanny") }}
      - --dashboard-address=:{{ include "sluice.port" (list "dask-worker" "http") }}
      - --local-directory={{ $values.home }}/dask
      - --death-timeout=300
    {{- include "sluice.process" $pod | nindent 4 }}
    ports:
      {{- include "sluice.containerPorts" "dask-worker" | nindent 6 }}
    startupProbe:
      {{- include "sluice.httpProbe" (dict "path" "/health" "port" "http" "period" 5 "failures" 60) | nindent 6 }}
    readinessProbe:
      {{- include "sluice.httpProbe" (dict "path" "/health" "port" "http") | nindent 6 }}
    livenessProbe:
      {{- include "sluice.httpProbe" (dict "path" "/health" "port" "http" "period" 30 "timeout" 15 "failures" 10) | nindent 6 }}
volumes:
  {{- include "sluice.volumes" $pod | nindent 2 }}
{{- end -}}
