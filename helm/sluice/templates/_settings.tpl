{{/* What every process of ours gets that is not a secret: addresses, folders, and what nobody has to choose. */}}

{{- define "sluice.settings" -}}
{{- range $name, $_ := .Values.settings -}}
{{- if regexMatch "(AUTH|PASSWORD|TOKEN|_KEY|STORAGE_OPTIONS|DOCUMENTS__URI|CONNECTION_URL)$" $name -}}
{{- fail (printf "settings.%s: a secret, and settings are in a ConfigMap; put it into a Secret and name that in secretSettings.%s" $name $name) -}}
{{- end -}}
{{- end -}}
{{- $settings := dict -}}
{{- $settings = merge $settings (index (.Files.Get "files/environment.json" | fromJson) "everywhere") -}}
{{- $state := printf "%s/state" .Values.home -}}
{{- $own := dict
  "SLUICE_ENV" .Values.environment
  "SLUICE_LOG_LEVEL" .Values.logLevel
  "SLUICE_LOG_FORMAT" "json"
  "SLUICE_HOME" $state
  "SLUICE_PREFECT__URL" (include "sluice.prefect.url" .)
  "SLUICE_PREFECT__UI" (include "sluice.page" (list . "prefect"))
  "SLUICE_PREFECT__POOL" .Values.prefect.worker.pool
  "SLUICE_MLFLOW__URI" (include "sluice.mlflow.url" .)
  "SLUICE_MLFLOW__UI" (include "sluice.page" (list . "mlflow"))
  "SLUICE_DASK__ADDRESS" (include "sluice.dask.address" .)
  "SLUICE_DASK__DASHBOARD" (include "sluice.dask.dashboard" .)
  "SLUICE_DASK__UI" .Values.dask.ui
  "SLUICE_LAKE__URI" (include "sluice.storage.lake" .)
  "SLUICE_DOCUMENTS__DATABASE" .Values.mongodb.database
  "SLUICE_SERVING__UI" (include "sluice.page" (list . "serving"))
  "PREFECT_HOME" (printf "%s/prefect" .Values.home)
  "PREFECT_API_URL" (include "sluice.prefect.url" .)
  "PREFECT_LOCAL_STORAGE_PATH" (printf "%s/results" .Values.storage.mountPath)
  "PREFECT_LOGGING_SETTINGS_PATH" "/etc/sluice/logging/prefect_logging.yaml"
  "MLFLOW_TRACKING_URI" (include "sluice.mlflow.url" .)
  "HOME" .Values.home
  "MPLCONFIGDIR" "/tmp/matplotlib"
-}}
{{- if include "sluice.dask.perRun" . -}}
{{- $_ := set $own "SLUICE_DASK__PER_RUN__SPEC" "/etc/sluice/dask/cluster.yaml" -}}
{{- $_ := set $own "SLUICE_DASK__PER_RUN__START_SECONDS" (.Values.dask.perRun.startSeconds | toString) -}}
{{- end -}}
{{- if .Values.secrets.sources -}}
{{- $_ := set $own "SLUICE_SOURCES__SECRETS_FOLDER" "/etc/sluice/sources" -}}
{{- end -}}
{{- $settings = merge (deepCopy .Values.settings) $own $settings -}}
{{- range $name, $value := $settings }}
{{- if ne $value "" }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What one service gets besides: (list $ "dask") */}}
{{- define "sluice.environment" -}}
{{- index ((first .).Files.Get "files/environment.json" | fromJson) (last .) | toYaml -}}
{{- end -}}

{{- define "sluice.storage.claim" -}}
{{- .Values.storage.existingClaim | default (include "sluice.name" (list . "data")) -}}
{{- end -}}

{{- define "sluice.storage.lake" -}}
{{- .Values.storage.lakeUri | default (printf "%s/lake" .Values.storage.mountPath) -}}
{{- end -}}

{{- define "sluice.storage.artifacts" -}}
{{- .Values.storage.artifactsUri | default (printf "file://%s/artifacts" .Values.storage.mountPath) -}}
{{- end -}}
