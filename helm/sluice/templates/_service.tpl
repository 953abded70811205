{{/* A service with all ports of a component. (dict "root" $ "component" "serving") */}}
{{- define "sluice.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "sluice.name" (list .root .component) }}
  labels:
    {{- include "sluice.labels" (list .root .component) | nindent 4 }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "sluice.selector" (list .root .component) | nindent 4 }}
  ports:
    {{- range $name, $port := index (include "sluice.ports" . | fromYaml) .component }}
    - name: {{ $name }}
      port: {{ $port }}
      targetPort: {{ $name }}
    {{- end }}
{{- end -}}

{{/* The ports of its container. */}}
{{- define "sluice.containerPorts" -}}
{{- range $name, $port := index (include "sluice.ports" . | fromYaml) . }}
- name: {{ $name }}
  containerPort: {{ $port }}
{{- end }}
{{- end -}}
