{{- define "optamil.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Names of pods and of what the chart makes: 40 characters, so that endings and numbers fit into 63. */}}
{{- define "optamil.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "optamil.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "optamil.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "optamil.selector" -}}
app.kubernetes.io/name: {{ include "optamil.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "optamil.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{ include "optamil.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "optamil.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "optamil.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "optamil.signingKeysSecret" -}}
{{- if .Values.signingKeys.value }}{{ include "optamil.fullname" . }}-signing-keys{{ else }}{{ .Values.signingKeys.existingSecret }}{{ end }}
{{- end }}

{{- define "optamil.signingKeysKey" -}}
{{- if .Values.signingKeys.value }}signing-keys{{ else }}{{ .Values.signingKeys.key }}{{ end }}
{{- end }}

{{/* Empty: there is none. */}}
{{- define "optamil.providerKeysSecret" -}}
{{- if .Values.providerKeys.values }}{{ include "optamil.fullname" . }}-provider-keys{{ else }}{{ .Values.providerKeys.existingSecret }}{{ end }}
{{- end }}

{{/* The configuration file: what the values say, with what the chart decides. */}}
{{- define "optamil.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "host" .Values.listenAddress }}
{{- $_ = set $config "port" 8080 }}
{{- $_ = set $config "data" "/data" }}
{{- $_ = set $config "signingKeys" "/etc/optamil/signing-keys/signing-keys" }}
{{- $_ = set $config "metrics" (dict "host" .Values.listenAddress "port" 9464) }}
{{- if and .Values.ingress.enabled (not $config.publicUrl) }}
{{- $_ = set $config "publicUrl" (printf "%s://%s" (ternary "https" "http" (ne .Values.ingress.tlsSecret "")) .Values.ingress.host) }}
{{- end }}
{{- if .Values.credentials.kafka.existingSecret }}
{{- if not $config.kafka.sasl }}
{{- fail "credentials.kafka: there is no config.kafka.sasl; give it a mechanism and a username" }}
{{- end }}
{{- $_ = set $config.kafka.sasl "passwordEnv" "OPTAMIL_KAFKA_PASSWORD" }}
{{- end }}
{{- if .Values.credentials.clickhouse.existingSecret }}
{{- $_ = set $config.clickhouse "passwordEnv" "OPTAMIL_CLICKHOUSE_PASSWORD" }}
{{- end }}
{{- if .Values.credentials.redis.existingSecret }}
{{- $_ = set $config.redis "passwordEnv" "OPTAMIL_REDIS_PASSWORD" }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* A pod is made anew when what is only read at a start has changed; the rest is followed while it runs. */}}
{{- define "optamil.restartChecksum" -}}
{{- omit (include "optamil.config" . | fromYaml) "providers" "models" "plans" "parameterPolicy" "router" | toYaml | sha256sum }}
{{- end }}

{{/* limits.drainDelayMs, limits.drainTimeoutMs and ten seconds, whole. */}}
{{- define "optamil.gracePeriodSeconds" -}}
{{- $limits := default dict .Values.config.limits }}
{{- $delay := dig "drainDelayMs" 0 $limits | default 0 | int }}
{{- $timeout := 30000 }}
{{- if and (hasKey $limits "drainTimeoutMs") (not (kindIs "invalid" $limits.drainTimeoutMs)) }}
{{- $timeout = int $limits.drainTimeoutMs }}
{{- end }}
{{- add 10 (div (add $delay $timeout 999) 1000) }}
{{- end }}

{{/* The port of a URL, else the usual one of its scheme. */}}
{{- define "optamil.portOf" -}}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- if $port }}{{ $port }}{{ else if eq $url.scheme "https" }}443{{ else if hasPrefix "redis" $url.scheme }}6379{{ else }}80{{ end }}
{{- end }}

{{/* Where the processes connect to: each port once. */}}
{{- define "optamil.egressPorts" -}}
{{- $config := .Values.config }}
{{- $ports := list "443" (include "optamil.portOf" $config.clickhouse.url) (include "optamil.portOf" $config.redis.url) }}
{{- range $config.kafka.brokers }}
{{- $ports = append $ports (regexFind "[0-9]+$" .) }}
{{- end }}
{{- with dig "telemetry" "endpoint" "" $config }}
{{- $ports = append $ports (include "optamil.portOf" .) }}
{{- end }}
{{- range $config.providers }}
{{- with .baseUrl }}
{{- $ports = append $ports (include "optamil.portOf" .) }}
{{- end }}
{{- end }}
{{- join "," (uniq $ports) }}
{{- end }}
