{{/* The pod: the same for Deployment and StatefulSet. */}}

{{- define "samegate.pod" -}}
metadata:
  labels:
    {{- $own := include "samegate.labels" . | fromYaml }}
    {{- mergeOverwrite (dict) .Values.podLabels $own | toYaml | nindent 4 }}
  annotations:
    {{- $checksum := dict "checksum/config" (include "samegate.config" . | sha256sum) }}
    {{- mergeOverwrite (dict) .Values.commonAnnotations .Values.podAnnotations $checksum | toYaml | nindent 4 }}
spec:
  serviceAccountName: {{ include "samegate.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Service links of a Service named samegate would set variables SAMEGATE_….
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "samegate.graceSeconds" . }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- include "samegate.spread" . | trim | nindent 4 }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: samegate
      {{- include "samegate.container" . | nindent 6 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "samegate.volumes" . | nindent 4 }}
{{- end -}}

{{/* Per revision, so that old pods do not count during a rollout. */}}
{{- define "samegate.spread" -}}
{{- if .Values.topologySpreadConstraints -}}
{{ toYaml .Values.topologySpreadConstraints }}
{{- else -}}
{{- range $index, $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "samegate.selectorLabels" $ | nindent 6 }}
  {{- if not (include "samegate.stateful" $) }}
  matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "samegate.container" -}}
image: {{ include "samegate.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, /etc/samegate/samegate.toml]
{{- with include "samegate.env" . }}
env:
  {{- . | trim | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: grpc
    containerPort: 50051
  - name: rest
    containerPort: 8080
  - name: admin
    containerPort: 9090
startupProbe:
  httpGet:
    path: /livez
    port: admin
  {{- toYaml .Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet:
    path: /livez
    port: admin
  {{- toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: admin
  {{- toYaml .Values.probes.readiness | nindent 2 }}
{{- with include "samegate.lifecycle" . | fromYaml }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  {{- include "samegate.resources" . | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/samegate
    readOnly: true
  {{- range (include "samegate.secrets" . | fromJson).secrets }}
  - name: secret-{{ .name }}
    mountPath: {{ include "samegate.secretDir" .name }}
    readOnly: true
  {{- end }}
  {{- if include "samegate.stateful" . }}
  - name: data
    mountPath: /var/lib/samegate
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Handlers of the container: yours, and the wait before SIGTERM unless you replace it. */}}
{{- define "samegate.lifecycle" -}}
{{- $wait := dict -}}
{{- if and .Values.shutdown.preStopSeconds (not (hasKey .Values.lifecycle "preStop")) -}}
{{- $wait = dict "preStop" (dict "sleep" (dict "seconds" .Values.shutdown.preStopSeconds)) -}}
{{- end -}}
{{- merge (dict) .Values.lifecycle $wait | toYaml -}}
{{- end -}}

{{- define "samegate.volumes" -}}
- name: config
  configMap:
    name: {{ include "samegate.fullname" . }}
{{- range (include "samegate.secrets" . | fromJson).secrets }}
- name: secret-{{ .name }}
  secret:
    secretName: {{ .secretName }}
    # Readable by the group of the pod, fsGroup.
    defaultMode: 0440
    {{- with .key }}
    items:
      - key: {{ . }}
        path: secret-key
    {{- end }}
{{- end }}
{{- if and (include "samegate.stateful" .) .Values.persistence.existingClaim }}
- name: data
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
