{{/* The components that this release runs. */}}
{{- define "sluice.components" -}}
{{- $on := dict
  "prefect-server" .Values.prefect.server.enabled
  "prefect-worker" .Values.prefect.worker.enabled
  "postgresql" .Values.postgresql.enabled
  "mongodb" .Values.mongodb.enabled
  "mlflow" .Values.mlflow.enabled
  "dask-scheduler" .Values.dask.enabled
  "dask-worker" .Values.dask.enabled
  "dask-janitor" (include "sluice.dask.perRun" . | eq "perRun")
  "serving" .Values.serving.enabled
  "exporter" .Values.exporter.enabled
  "catch-up" .Values.catchUp.enabled
  "flow-run" .Values.prefect.worker.enabled
  "deploy" .Values.deploy.enabled
  "test" .Values.tests.enabled
-}}
{{- range $component, $enabled := $on }}
{{- if $enabled }}
- {{ $component }}
{{- end }}
{{- end }}
{{- end -}}
