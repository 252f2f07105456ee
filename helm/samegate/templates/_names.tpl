{{/* Names and labels. */}}

{{- define "samegate.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Shortened to leave room for suffixes: the maximum length of a Service's name is 63. */}}
{{- define "samegate.fullname" -}}
{{- $name := include "samegate.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "samegate.serviceAccountName" -}}
{{- $own := ternary (include "samegate.fullname" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end -}}

{{- define "samegate.image" -}}
{{- $tag := printf ":%s" (.Values.image.tag | default .Chart.AppVersion) -}}
{{- if .Values.image.digest -}}
{{- $tag = printf "@%s" .Values.image.digest -}}
{{- end -}}
{{- printf "%s%s" .Values.image.repository $tag -}}
{{- end -}}

{{/* Number of replicas: an embedded library is in one process. */}}
{{- define "samegate.replicas" -}}
{{- if kindIs "invalid" .Values.replicaCount -}}
{{- include "samegate.stateful" . | empty | ternary 2 1 -}}
{{- else -}}
{{- int .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{- define "samegate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "samegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of the pod of `helm test`, which the Services must not select. */}}
{{- define "samegate.testLabels" -}}
app.kubernetes.io/name: {{ include "samegate.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of the pods of the backup job, which the Services must not select either. */}}
{{- define "samegate.backupLabels" -}}
app.kubernetes.io/name: {{ include "samegate.name" . }}-backup
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "samegate.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- $selector := include "samegate.selectorLabels" . | fromYaml -}}
{{- mergeOverwrite (dict) .Values.commonLabels $own $selector | toYaml -}}
{{- end -}}

{{/* Metadata of an object. (root, suffix, labels, annotations) */}}
{{- define "samegate.metadata" -}}
name: {{ include "samegate.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- $labels := include "samegate.labels" .root | fromYaml }}
  {{- mergeOverwrite (dict) (.labels | default dict) $labels | toYaml | nindent 2 }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
