{{/* Names and labels. */}}

{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of a component's objects: (list $ "serving") */}}
{{- define "sluice.name" -}}
{{- printf "%s-%s" (include "sluice.fullname" (first .)) (last .) -}}
{{- end -}}

{{/* What a selector has, and nothing else: it can never be changed. (list $ "serving") */}}
{{- define "sluice.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- define "sluice.labels" -}}
{{- $root := first . -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: sluice
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Of what others make for the release, and Helm does not know. (list $ "dask-worker") */}}
{{- define "sluice.madeLabels" -}}
{{- $root := first . -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: sluice
{{- end -}}

{{/* An image by its digest, else by its tag; those of ours have the application's version. (list $ "flows") */}}
{{- define "sluice.image" -}}
{{- $root := first . -}}
{{- $image := index $root.Values.images (last .) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The fullname of the service account of a component. */}}
{{- define "sluice.serviceAccount" -}}
{{- include "sluice.name" . -}}
{{- end -}}

{{/* Ports of the components: what services, probes and network policies go by. */}}
{{- define "sluice.ports" -}}
prefect-server: {http: 4200}
prefect-worker: {health: 8080}
postgresql: {sql: 5432}
mongodb: {mongo: 27017}
mlflow: {http: 5000}
dask-scheduler: {comm: 8786, http: 8787}
dask-worker: {comm: 8788, nanny: 8789, http: 8790}
serving: {http: 8000}
exporter: {http: 9200}
{{- end -}}

{{/* A port by component and name: (list "dask-scheduler" "comm") */}}
{{- define "sluice.port" -}}
{{- index (include "sluice.ports" . | fromYaml) (first .) (last .) -}}
{{- end -}}

{{/* Where clients find what may be elsewhere. */}}
{{- define "sluice.prefect.url" -}}
{{- if .Values.prefect.server.enabled -}}
http://{{ include "sluice.name" (list . "prefect-server") }}:{{ include "sluice.port" (list "prefect-server" "http") }}/api
{{- else -}}
{{- required "prefect.server.externalUrl: give the address of a Prefect API (https://…/api), or set prefect.server.enabled=true" .Values.prefect.server.externalUrl -}}
{{- end -}}
{{- end -}}

{{/* Not empty if Prefect's server has more than one pod. */}}
{{- define "sluice.prefect.several" -}}
{{- if and .Values.prefect.server.enabled (gt (int .Values.prefect.server.replicas) 1) -}}several{{- end -}}
{{- end -}}

{{- define "sluice.mlflow.url" -}}
{{- if .Values.mlflow.enabled -}}
http://{{ include "sluice.name" (list . "mlflow") }}:{{ include "sluice.port" (list "mlflow" "http") }}
{{- else -}}
{{- required "mlflow.externalUrl: give the address of an MLflow server, or set mlflow.enabled=true" .Values.mlflow.externalUrl -}}
{{- end -}}
{{- end -}}

{{/* Not empty if each run has a Dask cluster of its own. */}}
{{- define "sluice.dask.perRun" -}}
{{- if .Values.dask.perRun.enabled -}}
{{- if not .Values.dask.enabled -}}
{{- fail "dask.perRun.enabled needs dask.enabled=true" -}}
{{- end -}}
{{- if lt (int .Values.dask.perRun.idleSeconds) (int .Values.dask.perRun.startSeconds) -}}
{{- fail "dask.perRun.idleSeconds: not less than dask.perRun.startSeconds, or a cluster is removed while its run waits for it" -}}
{{- end -}}
perRun
{{- end -}}
{{- end -}}

{{- define "sluice.dask.address" -}}
{{- if include "sluice.dask.perRun" . -}}
{{- else if .Values.dask.enabled -}}
tcp://{{ include "sluice.name" (list . "dask-scheduler") }}:{{ include "sluice.port" (list "dask-scheduler" "comm") }}
{{- else -}}
{{- .Values.dask.externalAddress -}}
{{- end -}}
{{- end -}}

{{- define "sluice.dask.dashboard" -}}
{{- if include "sluice.dask.perRun" . -}}
{{- else if .Values.dask.enabled -}}
http://{{ include "sluice.name" (list . "dask-scheduler") }}:{{ include "sluice.port" (list "dask-scheduler" "http") }}
{{- else -}}
{{- .Values.dask.externalDashboard -}}
{{- end -}}
{{- end -}}

{{/* Where people find a page: the host of its ingress or its route. (list $ "mlflow") */}}
{{- define "sluice.page" -}}
{{- $root := first . -}}
{{- $host := index $root.Values.ingress.hosts (last .) -}}
{{- if and $root.Values.ingress.enabled $host -}}
{{- printf "%s://%s" (ternary "https" "http" $root.Values.ingress.tls.enabled) $host -}}
{{- else if and $root.Values.gateway.enabled $host -}}
{{- printf "%s://%s" (ternary "https" "http" $root.Values.gateway.https) $host -}}
{{- end -}}
{{- end -}}
