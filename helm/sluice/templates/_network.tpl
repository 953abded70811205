{{/*
Who talks to whom inside of the release: nothing else gets through. The ports are those of sluice.ports.
tests/helm/test_network_policies.py has the same list, from the code's side.
*/}}
{{- define "sluice.connections" -}}
prefect-server:
  http: [prefect-worker, flow-run, dask-worker, dask-janitor, catch-up, exporter, serving, deploy, test]
postgresql:
  sql: [prefect-server, mlflow]
mongodb:
  mongo: [flow-run, dask-worker, catch-up, exporter, serving]
mlflow:
  http: [flow-run, dask-worker, exporter, serving]
dask-scheduler:
  comm: [flow-run, dask-worker]
  {{- if not (include "sluice.dask.perRun" .) }}
  http: [exporter, serving]
  {{- end }}
dask-worker:
  comm: [dask-scheduler, dask-worker]
  nanny: [dask-scheduler]
serving:
  http: [exporter, test]
{{- end -}}

{{/* What people reach through the ingress, and what Prometheus asks. */}}
{{- define "sluice.pages" -}}
prefect-server: prefect
mlflow: mlflow
serving: serving
{{- end -}}

{{- define "sluice.scraped" -}}
[prefect-server, mlflow, dask-scheduler, dask-worker, serving, exporter]
{{- end -}}

{{/* Addresses outside of the release that components ask: name, components, addresses, ports. */}}
{{- define "sluice.outside" -}}
{{- $policy := .Values.networkPolicy -}}
- to: {{ toJson $policy.kubernetesApi }}
  from: [prefect-worker{{ if include "sluice.dask.perRun" . }}, flow-run, dask-janitor{{ end }}]
- to: {{ toJson $policy.sources }}
  from: [flow-run, dask-worker]
{{- if or .Values.storage.lakeUri .Values.storage.artifactsUri }}
- to: {{ toJson $policy.objectStore }}
  from: [flow-run, dask-worker, serving, exporter, mlflow]
{{- end }}
{{- if not .Values.prefect.server.enabled }}
- to: {{ toJson $policy.prefect }}
  from: [prefect-worker, flow-run, dask-worker, dask-janitor, catch-up, exporter, serving, deploy, test]
{{- end }}
{{- if not .Values.mlflow.enabled }}
- to: {{ toJson $policy.mlflow }}
  from: [flow-run, dask-worker, exporter, serving]
{{- end }}
{{- if not .Values.postgresql.enabled }}
- to: {{ toJson $policy.postgresql }}
  from: [prefect-server, mlflow]
{{- end }}
{{- if include "sluice.prefect.several" . }}
- to: {{ toJson $policy.redis }}
  from: [prefect-server]
{{- end }}
{{- if not .Values.mongodb.enabled }}
- to: {{ toJson $policy.mongodb }}
  from: [flow-run, dask-worker, catch-up, exporter, serving]
{{- end }}
{{- end -}}

{{/* Pods of a component, as policies select them: Prefect puts other names on the pods of runs. */}}
{{- define "sluice.peer" -}}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}
