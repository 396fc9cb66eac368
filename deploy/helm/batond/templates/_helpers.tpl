{{- define "batond.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "batond.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "batond.labels" -}}
{{ include "batond.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "batond.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "batond.name" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The Secret that the container reads; empty if there is none. */}}
{{- define "batond.secret" -}}
{{- if .Values.existingSecret -}}
{{- .Values.existingSecret -}}
{{- else if .Values.secretSettings -}}
{{- include "batond.name" . -}}
{{- end -}}
{{- end -}}

{{- define "batond.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The environment of the container, and of the doctor before it. */}}
{{- define "batond.environment" -}}
{{- with include "batond.secret" . }}
envFrom:
  - secretRef:
      name: {{ . }}
{{- end }}
env:
  - name: BATON_HOST_ID
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  - name: BATON_C1Z_TEMP_DIR
    value: /work
  - name: BATON_STATE_DIR
    value: /state
  - name: BATON_LOG_FORMAT
    value: json
  - name: BATON_HEALTH_CHECK
    value: "true"
  # The kubelet probes the pod's address; the default is loopback.
  - name: BATON_HEALTH_CHECK_BIND_ADDRESS
    value: $(POD_IP)
  {{- if .Values.metrics.enabled }}
  - name: BATON_METRICS_ADDRESS
    value: {{ .Values.metrics.address | quote }}
  {{- end }}
  {{- if or .Values.extraCA.configMap .Values.extraCA.secret }}
  # Read together with SSL_CERT_FILE, which the image sets to the public authorities.
  - name: SSL_CERT_DIR
    value: /etc/batond/ca
  {{- end }}
  {{- if .Values.proxy.https }}
  - name: HTTPS_PROXY
    value: {{ .Values.proxy.https | quote }}
  - name: NO_PROXY
    value: {{ .Values.proxy.noProxy | quote }}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | toString | quote }}
  {{- end }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What the environment names is there for both. */}}
{{- define "batond.mounts" -}}
- name: work
  mountPath: /work
- name: state
  mountPath: /state
{{- if or .Values.extraCA.configMap .Values.extraCA.secret }}
- name: extra-ca
  mountPath: /etc/batond/ca
  readOnly: true
{{- end }}
{{- end }}
