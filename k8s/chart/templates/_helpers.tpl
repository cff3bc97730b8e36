{{- define "chat.selector" -}}
app.kubernetes.io/name: chat
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "chat.labels" -}}
{{ include "chat.selector" . }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "chat.meta" -}}
name: {{ .root.Release.Name }}-{{ .role }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "chat.labels" . | nindent 2 }}
{{- end }}

{{- define "chat.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{ .Values.image.repository }}{{ if hasPrefix "sha256:" $tag }}@{{ else }}:{{ end }}{{ $tag }}
{{- end }}

{{- /* A variable whose value is in a Secret. */ -}}
{{- define "chat.secret-env" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}
{{- end }}

{{- /* Where log and store are, who this role is to them, and the settings. A change here rolls the pods. */ -}}
{{- define "chat.env" -}}
{{- $values := .root.Values -}}
{{- $settings := dict "CHAT_LISTEN" "0.0.0.0:8080" "CHAT_OPS_LISTEN" "0.0.0.0:9090" -}}
{{- if eq .role "canary" }}{{ $_ := set $settings "CHAT_CANARY_SERVER" (printf "http://%s-gateway:%v" .root.Release.Name $values.gateway.service.port) }}{{ else -}}
{{- $_ := set $settings "CHAT_LOG" $values.log.url -}}
{{- $_ := set $settings "CHAT_LOG_REPLICAS" ($values.log.replicas | toString) -}}
{{- $_ := set $settings "CHAT_STORE" $values.store.url -}}
{{- with $values.log.sync }}{{ $_ := set $settings "CHAT_LOG_SYNC" . }}{{ end -}}
{{- with $values.log.caSecret }}{{ $_ := set $settings "CHAT_LOG_CA_FILE" "/etc/chat/log-ca/ca.crt" }}{{ end -}}
{{- end -}}
{{- if eq .role "gateway" }}{{ $_ := set $settings "CHAT_AUTH_KEYS_FILE" "/etc/chat/keys/keys.json" }}{{ end -}}
{{- /* Only persisters make streams: the others' users have no right to. */ -}}
{{- if has .role (list "gateway" "presence") }}{{ $_ := set $settings "CHAT_LOG_CREATE_STREAMS" "false" }}{{ end -}}
{{- $settings = mergeOverwrite $settings (deepCopy $values.settings) (deepCopy .spec.settings) -}}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- if eq .role "canary" }}
{{ include "chat.secret-env" (dict "name" "CHAT_CANARY_PASSWORD" "secret" .spec.secret "key" "password") }}
{{- else }}
{{- with index $values.log (printf "%sSecret" .role) }}
{{ include "chat.secret-env" (dict "name" "CHAT_LOG_USER" "secret" . "key" "user") }}
{{ include "chat.secret-env" (dict "name" "CHAT_LOG_PASSWORD" "secret" . "key" "password") }}
{{- end }}
{{- with $values.store.secret }}
{{ include "chat.secret-env" (dict "name" "CHAT_STORE_USER" "secret" . "key" "user") }}
{{ include "chat.secret-env" (dict "name" "CHAT_STORE_PASSWORD" "secret" . "key" "password") }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Which files of secrets a role reads. */ -}}
{{- define "chat.files" -}}
{{- $values := .root.Values -}}
{{- if eq .role "gateway" }}keys {{ end }}{{ if and $values.log.caSecret (ne .role "canary") }}log-ca {{ end }}
{{- end }}

{{- define "chat.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "chat.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
