{{/* Rejects values that a schema cannot reject, with what to do instead. */}}

{{- define "samegate.checks" -}}
{{- $stateful := include "samegate.stateful" . -}}
{{- if and $stateful .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled: an embedded library runs in one pod; switch autoscaling off or use only rest libraries" -}}
{{- end -}}
{{- if and $stateful (gt (include "samegate.replicas" . | int) 1) -}}
{{- fail (printf "replicaCount: an embedded library runs in one pod, so it must be 1, not %d" (int .Values.replicaCount)) -}}
{{- end -}}
{{- range $api := list "grpc" "rest" -}}
{{- $ingress := index $.Values.ingress $api -}}
{{- if and $ingress.enabled (not $ingress.hosts) -}}
{{- fail (printf "ingress.%s.hosts: give at least one name" $api) -}}
{{- end -}}
{{- end -}}
{{- range $route := list "grpcRoute" "httpRoute" -}}
{{- if and (index $.Values $route).enabled (not (index $.Values $route).parentRefs) -}}
{{- fail (printf "%s.parentRefs: name at least one gateway" $route) -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.ingress.rest.enabled .Values.httpRoute.enabled) (not .Values.service.rest.enabled) -}}
{{- fail "service.rest.enabled: ingress.rest and httpRoute need the port of the REST API" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas: is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- include "samegate.checks.backup" . -}}
{{- include "samegate.checks.names" . -}}
{{- include "samegate.checks.tenants" . -}}
{{- range $key := list "libraries" "tenants" -}}
{{- if hasKey $.Values.config $key -}}
{{- fail (printf "config.%s: give them as the list `%s` of the chart" $key $key) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "grpc" "rest" "admin" -}}
{{- if hasKey ($.Values.config.listen | default dict) $key -}}
{{- fail (printf "config.listen.%s: the chart sets it; see listenAddress and service.%s.port" $key $key) -}}
{{- end -}}
{{- end -}}
{{- include "samegate.checks.secrets" (dict "path" "config" "value" .Values.config) -}}
{{- range .Values.libraries -}}
{{- include "samegate.checks.secrets" (dict "path" (printf "libraries[%s].settings" .name) "value" (.settings | default dict)) -}}
{{- end -}}
{{- range .Values.tenants -}}
{{- include "samegate.checks.secrets" (dict "path" (printf "tenants[%s].settings" .name) "value" (.settings | default dict)) -}}
{{- end -}}
{{- end -}}

{{/* The backup job needs a library, and a host name that the admin port serves. */}}
{{- define "samegate.checks.backup" -}}
{{- if .Values.backup.enabled -}}
{{- if not (include "samegate.stateful" .) -}}
{{- fail "backup.enabled: only embedded libraries have a backup, and there is none" -}}
{{- end -}}
{{- $host := printf "%s-admin" (include "samegate.fullname" .) -}}
{{- $hosts := dig "listen" "hosts" list .Values.config -}}
{{- if and $hosts (not (has $host $hosts)) -}}
{{- fail (printf "config.listen.hosts: add `%s`, by which the backup job calls the admin port" $host) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Names are unique, and each backend has what it needs. */}}
{{- define "samegate.checks.names" -}}
{{- range $key := list "libraries" "tenants" "secretMounts" -}}
{{- $seen := dict -}}
{{- range index $.Values $key -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "%s: two are named `%s`" $key .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}
{{- range .Values.libraries -}}
{{- if and (eq .backend "rest") (not .credentials) -}}
{{- fail (printf "libraries[%s].credentials: a rest library needs at least one existing Secret" .name) -}}
{{- end -}}
{{- if and (ne .backend "rest") .credentials -}}
{{- fail (printf "libraries[%s].credentials: only a rest library has them" .name) -}}
{{- end -}}
{{- if and (eq .backend "opensearch") (dig "api_key" "" (.settings | default dict)) -}}
{{- fail (printf "libraries[%s].settings.api_key: secrets do not belong in values; mount an existing Secret with secretMounts and name its file in `api_key_file`" .name) -}}
{{- end -}}
{{- if and (eq .backend "opensearch") (not (and (dig "urls" "" (.settings | default dict)) (dig "index" "" (.settings | default dict)))) -}}
{{- fail (printf "libraries[%s].settings: a library in OpenSearch needs urls and index" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Libraries of tenants exist, and callers need credentials. */}}
{{- define "samegate.checks.tenants" -}}
{{- $libraries := list -}}
{{- range .Values.libraries -}}
{{- $libraries = append $libraries .name -}}
{{- end -}}
{{- $open := or (dig "auth" "anonymous" false .Values.config) (dig "auth" "jwt" dict .Values.config) -}}
{{- range .Values.tenants -}}
{{- $tenant := .name -}}
{{- range .libraries -}}
{{- if not (has . $libraries) -}}
{{- fail (printf "tenants[%s].libraries: no library is named `%s`; there are: %s" $tenant . (join ", " $libraries)) -}}
{{- end -}}
{{- end -}}
{{- if not (or .apiKeys .apiKeyHashes (dig "identities" list (.settings | default dict)) (dig "read_keys" list (.settings | default dict)) $open) -}}
{{- fail (printf "tenants[%s]: give apiKeys.existingSecret, apiKeyHashes or settings.identities, or accept tokens (config.auth.jwt) or calls without credentials (config.auth.anonymous: true)" .name) -}}
{{- end -}}
{{- if and .apiKeys .apiKeyHashes -}}
{{- fail (printf "tenants[%s].apiKeyHashes: is given together with apiKeys, which would override it; give only one" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Rejects secrets, since values are written to a ConfigMap. (path, value) */}}
{{- define "samegate.checks.secrets" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $value := .value -}}
{{- $here := printf "%s.%s" $path $key -}}
{{- if regexMatch "(^|_)(secret|secret_key|password|private_key)$" $key -}}
{{- fail (printf "%s: secrets do not belong in values; mount an existing Secret with secretMounts and name its file in `%s_file`" $here $key) -}}
{{- end -}}
{{- include "samegate.checks.secrets" (dict "path" $here "value" $value) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $value := .value -}}
{{- include "samegate.checks.secrets" (dict "path" (printf "%s[%d]" $path $index) "value" $value) -}}
{{- end -}}
{{- else if kindIs "string" .value -}}
{{- if regexMatch "://[^/@]*:[^/@]+@" .value -}}
{{- fail (printf "%s: the address holds a password; mount an existing Secret with secretMounts and name its file" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
