{{/* Which Secrets there are, and which environment variables come from them. */}}

{{- define "sluice.secrets.platform" -}}
{{- .Values.secrets.existingSecret | default (include "sluice.name" (list . "secrets")) -}}
{{- end -}}

{{- define "sluice.secrets.postgresql" -}}
{{- if .Values.postgresql.enabled -}}
{{- .Values.postgresql.existingSecret | default (include "sluice.name" (list . "postgresql")) -}}
{{- else -}}
{{- $made := (and .Values.externalSecrets.enabled .Values.externalSecrets.entries.postgresql) | empty | not | ternary (include "sluice.name" (list . "postgresql")) "" -}}
{{- required "postgresql.external.existingSecret: name a Secret with the keys prefect-url, mlflow-uri and mlflow-users-uri, or set postgresql.enabled=true" (.Values.postgresql.external.existingSecret | default $made) -}}
{{- end -}}
{{- end -}}

{{- define "sluice.secrets.mongodb" -}}
{{- if .Values.mongodb.enabled -}}
{{- .Values.mongodb.existingSecret | default (include "sluice.name" (list . "mongodb")) -}}
{{- else -}}
{{- $made := (and .Values.externalSecrets.enabled .Values.externalSecrets.entries.mongodb) | empty | not | ternary (include "sluice.name" (list . "mongodb")) "" -}}
{{- required "mongodb.external.existingSecret: name a Secret with the key uri, or set mongodb.enabled=true" (.Values.mongodb.external.existingSecret | default $made) -}}
{{- end -}}
{{- end -}}

{{/* Which Secrets pods read: another name starts them anew. */}}
{{- define "sluice.secretReferences" -}}
{{- list (include "sluice.secrets.platform" .) .Values.secretSettings .Values.secrets | toJson -}}
{{- end -}}

{{/* A value that is made once, and kept when the release is upgraded. (list $ "secret" "key" 32) */}}
{{- define "sluice.kept" -}}
{{- $root := index . 0 -}}
{{- $there := lookup "v1" "Secret" $root.Release.Namespace (index . 1) -}}
{{- $value := dig "data" (index . 2) "" ($there | default dict) -}}
{{- if $value -}}
{{- $value | b64dec -}}
{{- else -}}
{{- randAlphaNum (index . 3) -}}
{{- end -}}
{{- end -}}

{{/* The groups of variables that a process needs: "prefect", "mlflow", "documents", "lake", "extra". */}}
{{- define "sluice.secretEnvironment" -}}
{{- $root := .root -}}
{{- $platform := include "sluice.secrets.platform" $root -}}
{{- range .secrets -}}
{{- if eq . "prefect" }}
{{ include "sluice.secretVariable" (list "SLUICE_PREFECT__AUTH" $platform "prefect-auth") }}
{{ include "sluice.secretVariable" (list "PREFECT_API_AUTH_STRING" $platform "prefect-auth") }}
{{- else if eq . "prefect-server" }}
{{ include "sluice.secretVariable" (list "PREFECT_SERVER_API_AUTH_STRING" $platform "prefect-auth") }}
{{- else if eq . "mlflow" }}
{{ include "sluice.secretVariable" (list "SLUICE_MLFLOW__USERNAME" $platform "mlflow-username") }}
{{ include "sluice.secretVariable" (list "SLUICE_MLFLOW__PASSWORD" $platform "mlflow-password") }}
{{ include "sluice.secretVariable" (list "MLFLOW_TRACKING_USERNAME" $platform "mlflow-username") }}
{{ include "sluice.secretVariable" (list "MLFLOW_TRACKING_PASSWORD" $platform "mlflow-password") }}
{{- else if eq . "mlflow-server" }}
{{ include "sluice.secretVariable" (list "SLUICE_MLFLOW__USERNAME" $platform "mlflow-username") }}
{{ include "sluice.secretVariable" (list "SLUICE_MLFLOW__PASSWORD" $platform "mlflow-password") }}
{{ include "sluice.secretVariable" (list "MLFLOW_FLASK_SERVER_SECRET_KEY" $platform "mlflow-flask-key") }}
{{ include "sluice.secretVariable" (list "MLFLOW_BACKEND_STORE_URI" (include "sluice.secrets.postgresql" $root) "mlflow-uri") }}
{{ include "sluice.secretVariable" (list "MLFLOW_AUTH_DATABASE_URI" (include "sluice.secrets.postgresql" $root) "mlflow-users-uri") }}
{{- else if eq . "prefect-database" }}
{{ include "sluice.secretVariable" (list "PREFECT_SERVER_DATABASE_CONNECTION_URL" (include "sluice.secrets.postgresql" $root) "prefect-url") }}
{{- else if eq . "prefect-redis" }}
{{- $redis := required "prefect.server.redis.existingSecret: name a Secret with the key url, or set prefect.server.replicas=1" $root.Values.prefect.server.redis.existingSecret }}
{{ include "sluice.secretVariable" (list "PREFECT_REDIS_MESSAGING_URL" $redis "url") }}
{{ include "sluice.secretVariable" (list "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL" $redis "url") }}
{{ include "sluice.secretVariable" (list "PREFECT_SERVER_DOCKET_URL" $redis "url") }}
{{- else if eq . "documents" }}
{{ include "sluice.secretVariable" (list "SLUICE_DOCUMENTS__URI" (include "sluice.secrets.mongodb" $root) "uri") }}
{{- else if eq . "serving" }}
{{ include "sluice.secretVariable" (list "SLUICE_SERVING__BOOTSTRAP_KEY" $platform "serving-bootstrap-key") }}
{{- else if eq . "extra" }}
{{- with $root.Values.storage.lakeOptionsSecret }}
{{ include "sluice.secretVariable" (list "SLUICE_LAKE__STORAGE_OPTIONS" . "lake-storage-options") }}
{{- end }}
{{- range $name, $from := $root.Values.secretSettings }}
{{ include "sluice.secretVariable" (list $name $from.secret $from.key) }}
{{- end }}
{{- else }}
{{- fail (printf "no group of secrets is called %s" .) }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "sluice.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end -}}
