{{/* The configuration of the gateway, and the Secrets that it reads. */}}

{{/* Folder of a mounted Secret. (name) */}}
{{- define "samegate.secretDir" -}}
/run/secrets/samegate/{{ . }}
{{- end -}}

{{/* Whether a library is embedded, which needs a volume. */}}
{{- define "samegate.stateful" -}}
{{- range .Values.libraries -}}
{{- if eq .backend "embedded" }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether the listeners use TLS. */}}
{{- define "samegate.tls" -}}
{{- if dig "listen" "tls" dict .Values.config }}true{{ end -}}
{{- end -}}

{{- define "samegate.config" -}}
{{- $addresses := dict
  "grpc" (printf "%s:50051" .Values.listenAddress)
  "rest" (printf "%s:8080" .Values.listenAddress)
  "admin" (printf "%s:9090" .Values.listenAddress)
-}}
{{- $listen := merge (dict) $addresses (.Values.config.listen | default dict) -}}
{{- include "samegate.toml.table" (dict "name" "listen" "table" $listen) -}}
{{- range .Values.libraries }}
{{ include "samegate.toml.table" (dict "name" (printf "libraries.%s" .name) "table" (include "samegate.library" . | fromJson)) -}}
{{- end }}
{{- range .Values.tenants }}
{{ include "samegate.toml.table" (dict "name" (printf "tenants.%s" .name) "table" (include "samegate.tenant" . | fromJson)) -}}
{{- end }}
{{- range $name, $section := omit .Values.config "listen" }}
{{- if $section }}
{{ include "samegate.toml.table" (dict "name" $name "table" $section) -}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "samegate.library" -}}
{{- $library := dict "backend" .backend -}}
{{- if eq .backend "embedded" -}}
{{- $_ := set $library "data_dir" (printf "/var/lib/samegate/%s" .name) -}}
{{- end -}}
{{- $credentials := list -}}
{{- range $index, $credential := .credentials -}}
{{- $dir := include "samegate.secretDir" (printf "library-%s-%d" $.name $index) -}}
{{- $entry := dict "secret_key_file" (printf "%s/secret-key" $dir) -}}
{{- $credentials = append $credentials (merge $entry ($credential.settings | default dict)) -}}
{{- end -}}
{{- if $credentials -}}
{{- $_ := set $library "credentials" $credentials -}}
{{- end -}}
{{- merge $library (.settings | default dict) | toJson -}}
{{- end -}}

{{- define "samegate.tenant" -}}
{{- $tenant := dict "libraries" .libraries -}}
{{- with .apiKeyHashes -}}
{{- $_ := set $tenant "api_keys" . -}}
{{- end -}}
{{- $pairs := list -}}
{{- range $index, $pair := .restKeys -}}
{{- $dir := include "samegate.secretDir" (printf "tenant-%s-%d" $.name $index) -}}
{{- $pairs = append $pairs (dict "api_key" $pair.apiKey "secret_key_file" (printf "%s/secret-key" $dir)) -}}
{{- end -}}
{{- if $pairs -}}
{{- $_ := set $tenant "rest_keys" $pairs -}}
{{- end -}}
{{- merge $tenant (.settings | default dict) | toJson -}}
{{- end -}}

{{/*
The Secrets to mount below /run/secrets/samegate, as a list below `secrets`: name,
secretName, and key if only one key is mounted, as the file `secret-key`.
*/}}
{{- define "samegate.secrets" -}}
{{- $secrets := list -}}
{{- range .Values.libraries -}}
{{- $library := .name -}}
{{- range $index, $credential := .credentials -}}
{{- $secrets = append $secrets (dict "name" (printf "library-%s-%d" $library $index) "secretName" $credential.existingSecret "key" ($credential.secretKeyKey | default "secret-key")) -}}
{{- end -}}
{{- end -}}
{{- range .Values.tenants -}}
{{- $tenant := .name -}}
{{- range $index, $pair := .restKeys -}}
{{- $secrets = append $secrets (dict "name" (printf "tenant-%s-%d" $tenant $index) "secretName" $pair.existingSecret "key" ($pair.secretKeyKey | default "secret-key")) -}}
{{- end -}}
{{- end -}}
{{- range .Values.secretMounts -}}
{{- $secrets = append $secrets (dict "name" .name "secretName" .secretName) -}}
{{- end -}}
{{- dict "secrets" $secrets | toJson -}}
{{- end -}}

{{/*
Variables from Secrets, for settings that have no `_file` key. They override the
file; `-` in a name becomes `_`.
*/}}
{{- define "samegate.env" -}}
{{- range .Values.libraries }}
{{- $library := .name | upper | replace "-" "_" }}
{{- range $index, $credential := .credentials }}
- name: SAMEGATE_LIBRARIES__{{ $library }}__CREDENTIALS__{{ $index }}__API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $credential.existingSecret }}
      key: {{ $credential.apiKeyKey | default "api-key" }}
{{- end }}
{{- end }}
{{- range .Values.tenants }}
{{- if .apiKeys }}
- name: SAMEGATE_TENANTS__{{ .name | upper | replace "-" "_" }}__API_KEYS
  valueFrom:
    secretKeyRef:
      name: {{ .apiKeys.existingSecret }}
      key: {{ .apiKeys.key | default .name }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A duration of the configuration in whole seconds, rounded up. */}}
{{- define "samegate.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}
{{- ceil (divf $number 1000) -}}
{{- else -}}
{{- mul $number (get (dict "s" 1 "m" 60 "h" 3600) $unit) -}}
{{- end -}}
{{- end -}}

{{- define "samegate.graceSeconds" -}}
{{- $limits := .Values.config.limits | default dict -}}
{{- $drain := include "samegate.seconds" ($limits.drain_timeout | default "30s") -}}
{{- $lameDuck := include "samegate.seconds" ($limits.lame_duck | default "3s") -}}
{{- add .Values.shutdown.preStopSeconds $lameDuck $drain .Values.shutdown.marginSeconds -}}
{{- end -}}
