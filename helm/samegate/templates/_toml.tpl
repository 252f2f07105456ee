{{/*
Values as TOML. Strings are formatted as JSON, which is valid TOML. Numbers have no
fraction or exponent, which Go would add to large numbers.
*/}}

{{/* One value on one line. */}}
{{- define "samegate.toml.value" -}}
{{- if kindIs "string" . -}}
{{- toJson . -}}
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . -}}
{{- $items = append $items (include "samegate.toml.value" .) -}}
{{- end -}}
[{{ join ", " $items }}]
{{- else if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key, $value := . -}}
{{- $pairs = append $pairs (include "samegate.toml.pair" (dict "key" $key "value" $value)) -}}
{{- end -}}
{ {{- join ", " $pairs | printf " %s " -}} }
{{- else if kindIs "bool" . -}}
{{- . -}}
{{- else if eq (float64 .) (floor .) -}}
{{- int64 . -}}
{{- else -}}
{{- float64 . -}}
{{- end -}}
{{- end -}}

{{/* `key = value`. (key, value) */}}
{{- define "samegate.toml.pair" -}}
{{- $key := regexMatch "^[A-Za-z0-9_-]+$" .key | ternary .key (toJson .key) -}}
{{- printf "%s = %s" $key (include "samegate.toml.value" .value) -}}
{{- end -}}

{{/* A table; keys that are null are omitted. (name, table) */}}
{{- define "samegate.toml.table" -}}
{{ printf "[%s]" .name }}
{{- range $key, $value := .table }}
{{- if not (kindIs "invalid" $value) }}
{{ include "samegate.toml.pair" (dict "key" $key "value" $value) }}
{{- end }}
{{- end }}
{{ end -}}
