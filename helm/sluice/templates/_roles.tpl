{{/* What a component's account may ask Kubernetes in its own namespace. (dict "root" $ "component" "flow-run" "rules" …) */}}
{{- define "sluice.role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "sluice.name" (list .root .component) }}
  labels:
    {{- include "sluice.labels" (list .root .component) | nindent 4 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "sluice.name" (list .root .component) }}
  labels:
    {{- include "sluice.labels" (list .root .component) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "sluice.name" (list .root .component) }}
subjects:
  - kind: ServiceAccount
    name: {{ include "sluice.serviceAccount" (list .root .component) }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}
