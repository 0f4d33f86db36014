{{/* What all pods have. Given: root, part (gateway, consumer or migrate), values (of that part). */}}
{{- define "optamil.image" -}}
{{- $image := .root.Values.image }}
{{- $tag := default (default .root.Chart.AppVersion $image.tag) .values.imageTag }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "optamil.podMetadata" -}}
{{- $annotations := deepCopy .values.podAnnotations }}
{{- if ne .part "migrate" }}
{{- $_ := set $annotations "checksum/config" (include "optamil.restartChecksum" .root) }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
labels:
  {{- include "optamil.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .part }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "optamil.podSpec" -}}
serviceAccountName: {{ include "optamil.serviceAccountName" .root }}
automountServiceAccountToken: false
# A Service called optamil would set variables that begin with OPTAMIL_.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels:
        {{- include "optamil.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.part }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "optamil.container" -}}
name: {{ .part }}
image: {{ include "optamil.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- if gt (int (default 1 .values.workers)) 1 }}
args: [{{ .part }}, --workers, {{ int .values.workers | quote }}]
{{- else }}
args: [{{ .part }}]
{{- end }}
{{- with .root.Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "optamil.env" -}}
- { name: OPTAMIL_CONFIG, value: /etc/optamil/config/optamil.yaml }
- { name: OPTAMIL_DATA, value: /data }
- name: OPTAMIL_GATEWAY_ID
  {{- if eq .part "migrate" }}
  value: migrate
  {{- else }}
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
  {{- end }}
- { name: HOST, value: {{ .root.Values.listenAddress | quote }} }
- { name: PORT, value: "8080" }
- { name: OPTAMIL_METRICS_PORT, value: "9464" }
{{- range $service, $secret := .root.Values.credentials }}
{{- if $secret.existingSecret }}
- name: OPTAMIL_{{ upper $service }}_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $secret.existingSecret }}, key: {{ $secret.key }} } }
{{- end }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "optamil.mounts" -}}
- { name: config, mountPath: /etc/optamil/config, readOnly: true }
- { name: tmp, mountPath: /tmp }
{{- if ne .part "consumer" }}
- { name: data, mountPath: /data }
- { name: signing-keys, mountPath: /etc/optamil/signing-keys, readOnly: true }
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "optamil.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 64Mi }
{{- if ne .part "consumer" }}
- name: signing-keys
  secret:
    secretName: {{ include "optamil.signingKeysSecret" .root }}
    # With fsGroup: read by the process's group, and by no others.
    defaultMode: 0440
    items: [{ key: {{ include "optamil.signingKeysKey" .root }}, path: signing-keys }]
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* On the operators' port, which stays open until the last answer of a gateway that drains. */}}
{{- define "optamil.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 2
  failureThreshold: 90
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
