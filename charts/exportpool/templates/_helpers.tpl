{{- define "exportpool.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Of what is outside of the release's namespace: releases of one name in two namespaces do not meet. */}}
{{- define "exportpool.clusterWide" -}}
{{- printf "%s-%s" .Release.Namespace (include "exportpool.name" .) -}}
{{- end -}}

{{- define "exportpool.selector" -}}
app.kubernetes.io/name: exportpool-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "exportpool.labels" -}}
{{ include "exportpool.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "exportpool.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{- define "exportpool.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "exportpool.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where the pods of a release may run. */}}
{{- define "exportpool.scheduling" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What the operator does in the namespaces of pools. */}}
{{- define "exportpool.rules" -}}
- apiGroups: [exportpool.dev]
  resources: [exportpools]
  verbs: [get, list, watch]
- apiGroups: [exportpool.dev]
  resources: [exportpools/status]
  verbs: [get, patch]
# To own what it makes, where OwnerReferencesPermissionEnforcement is on.
- apiGroups: [exportpool.dev]
  resources: [exportpools/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, patch]
# By name only: they are neither listed nor watched.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, list, watch, create, patch]
{{- end -}}

{{/* What it looks at beside them. */}}
{{- define "exportpool.clusterRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [exportpools.exportpool.dev]
  verbs: [get]
{{- end -}}
