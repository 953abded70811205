{{/* What all pods have in common. Arguments are (dict "root" $ "component" "serving" "values" .Values.serving). */}}

{{- define "sluice.podMetadata" -}}
labels:
  {{- include "sluice.labels" (list .root .component) | nindent 2 }}
annotations:
  {{- /* A pod starts anew when what it reads at its start has changed. */}}
  checksum/settings: {{ include "sluice.settings" .root | sha256sum }}
  checksum/secrets: {{ include "sluice.secretReferences" .root | sha256sum }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* "uid" is another user than ours, of an image that is not ours. */}}
{{- define "sluice.podSpec" -}}
serviceAccountName: {{ include "sluice.serviceAccount" (list .root .component) }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .grace | default 30 }}
securityContext:
  {{- include "sluice.podSecurity" (.uid | default 10001) | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .spread }}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "sluice.selector" (list $.root $.component) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "sluice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* The head of a container: "image" is flows, serving, postgresql or mongodb. */}}
{{- define "sluice.container" -}}
image: {{ include "sluice.image" (list .root .image) }}
imagePullPolicy: {{ (index .root.Values.images .image).pullPolicy }}
securityContext:
  {{- include "sluice.containerSecurity" . | nindent 2 }}
resources:
  {{- include "sluice.resources" .values.resources | nindent 2 }}
{{- end -}}

{{/* As text: the kind DaskCluster takes no numbers, which Kubernetes' own kinds do. */}}
{{- define "sluice.resources" -}}
{{- range $which, $quantities := . }}
{{ $which }}:
  {{- range $resource, $quantity := $quantities }}
  {{ $resource }}: {{ $quantity | toString | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A container that runs our code: settings, secrets, folders to write to. "secrets" are the names of those it needs. */}}
{{- define "sluice.process" -}}
{{ include "sluice.container" . }}
workingDir: {{ .root.Values.home }}
envFrom:
  - configMapRef:
      name: {{ include "sluice.name" (list .root "settings") }}
env:
  - name: OTEL_SERVICE_NAME
    value: {{ .component }}
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- if eq .component "dask-worker" }}
  - name: DASK_MEMORY_BYTES
    valueFrom:
      resourceFieldRef:
        resource: limits.memory
  {{- end }}
  {{- include "sluice.secretEnvironment" . | nindent 2 }}
  {{- range $name, $value := .environment }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
volumeMounts:
  {{- include "sluice.mounts" . | nindent 2 }}
{{- end -}}

{{/* "data" mounts the shared claim: ro or rw. */}}
{{- define "sluice.mounts" -}}
- name: home
  mountPath: {{ .root.Values.home }}
- name: tmp
  mountPath: /tmp
- name: logging
  mountPath: /etc/sluice/logging
  readOnly: true
{{- if .data }}
- name: data
  mountPath: {{ .root.Values.storage.mountPath }}
  {{- if eq .data "ro" }}
  readOnly: true
  {{- end }}
{{- end }}
{{- if and .sources .root.Values.secrets.sources }}
- name: sources
  mountPath: /etc/sluice/sources
  readOnly: true
{{- end }}
{{- end -}}

{{- define "sluice.volumes" -}}
- name: home
  emptyDir:
    sizeLimit: {{ (default (dict) .values.scratch).size | default "4Gi" }}
- name: tmp
  emptyDir:
    sizeLimit: 2Gi
- name: logging
  configMap:
    name: {{ include "sluice.name" (list .root "logging") }}
{{- if .data }}
- name: data
  persistentVolumeClaim:
    claimName: {{ include "sluice.storage.claim" .root }}
{{- end }}
{{- if and .sources .root.Values.secrets.sources }}
- name: sources
  secret:
    secretName: {{ .root.Values.secrets.sources }}
{{- end }}
{{- end -}}

{{/* (dict "path" "/livez" "port" "http" "kind" "readiness") */}}
{{- define "sluice.httpProbe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
periodSeconds: {{ .period | default 10 }}
timeoutSeconds: {{ .timeout | default 5 }}
failureThreshold: {{ .failures | default 3 }}
{{- end -}}
