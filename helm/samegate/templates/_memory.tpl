{{/* The memory limit of a pod: the bound that docs/operations.md states, "Memory of the process". */}}

{{- define "samegate.resources" -}}
{{- $memory := printf "%sMi" (include "samegate.memoryMiB" .) -}}
{{- mergeOverwrite (dict "limits" (dict "memory" $memory)) .Values.resources | toYaml -}}
{{- end -}}

{{- define "samegate.memoryMiB" -}}
{{- $limits := .Values.config.limits | default dict -}}
{{- $inFlight := include "samegate.mebibytes" ($limits.max_bytes_in_flight | default "256MiB") -}}
{{- /* A window of 1 MiB for each bulk load. */ -}}
{{- $loads := div (mul 3 (int64 ($limits.max_requests_in_flight | default 1024))) 8 -}}
{{- $message := include "samegate.mebibytes" ($limits.max_message_bytes | default "8MiB") -}}
{{- $sum := add $inFlight $loads (mul $message (len .Values.tenants)) .Values.memory.overheadMiB -}}
{{- $decodes := false -}}
{{- range .Values.libraries -}}
{{- $decodes = or $decodes (ne .backend "rest") -}}
{{- end -}}
{{- if $decodes -}}
{{- $sum = add $sum (include "samegate.mebibytes" ($limits.max_decoded_bytes | default "1GiB")) -}}
{{- end -}}
{{- if include "samegate.stateful" . -}}
{{- /* A join. */ -}}
{{- $sum = add $sum 860 -}}
{{- end -}}
{{- range .Values.libraries -}}
{{- if eq .backend "embedded" -}}
{{- $capacity := dig "capacity" 500000 (.settings | default dict) | int64 -}}
{{- $sum = add $sum 464 (div (add (mul 49 $capacity) 1048575) 1048576) -}}
{{- else if eq .backend "opensearch" -}}
{{- /* 32 searches of 25 MB, 32 checked additions of 4 MB, a group of writes. */ -}}
{{- $sum = add $sum 960 -}}
{{- end -}}
{{- end -}}
{{- $sum -}}
{{- end -}}

{{/* A size of the configuration in MiB, rounded up. */}}
{{- define "samegate.mebibytes" -}}
{{- $bytes := 0 -}}
{{- if kindIs "string" . -}}
{{- $unit := get (dict "KiB" 1024 "MiB" 1048576 "GiB" 1073741824) (regexFind "[A-Za-z]+$" .) | default 1 -}}
{{- $bytes = mul (regexFind "^[0-9]+" . | int64) $unit -}}
{{- else -}}
{{- $bytes = int64 . -}}
{{- end -}}
{{- div (add $bytes 1048575) 1048576 -}}
{{- end -}}
