{{- define "synod.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "synod.fullname" -}}
{{- $name := include "synod.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods are found: never changed, a StatefulSet's cannot be. */}}
{{- define "synod.selector" -}}
app.kubernetes.io/name: {{ include "synod.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "synod.labels" -}}
{{ include "synod.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "synod.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "synod.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "synod.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The domain of the pods' own names. */}}
{{- define "synod.podDomain" -}}
{{ include "synod.fullname" . }}-peers.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "synod.scheme" -}}
{{- if .Values.tls.enabled -}} https {{- else -}} http {{- end -}}
{{- end -}}

{{- define "synod.clientUrl" -}}
{{ include "synod.scheme" . }}://{{ include "synod.fullname" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:{{ .Values.service.clientPort }}
{{- end -}}

{{/* The Secrets of certificates, each with tls.crt, tls.key and ca.crt. */}}
{{- define "synod.clientSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{ include "synod.fullname" . }}-client-tls
{{- else -}}
{{ required "tls.clientSecret names the Secret of the certificate that clients are shown (or tls.certManager.enabled)" .Values.tls.clientSecret }}
{{- end -}}
{{- end -}}

{{- define "synod.peerSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{ include "synod.fullname" . }}-peer-tls
{{- else -}}
{{ required "tls.peerSecret names the Secret of the certificate that nodes show each other (or tls.certManager.enabled)" .Values.tls.peerSecret }}
{{- end -}}
{{- end -}}

{{/* Where a token is: a Secret's name and a key in it. What the chart's own pods show is the first
     administrator's, until there is another. */}}
{{- define "synod.bootstrapToken" -}}
name: {{ required "auth.bootstrapSecret.name names the Secret with the first administrator's token" .Values.auth.bootstrapSecret.name }}
key: {{ .Values.auth.bootstrapSecret.key }}
{{- end -}}

{{- define "synod.adminToken" -}}
{{- if .Values.auth.adminSecret.name -}}
name: {{ .Values.auth.adminSecret.name }}
key: {{ .Values.auth.adminSecret.key }}
{{- else -}}
{{ include "synod.bootstrapToken" . }}
{{- end -}}
{{- end -}}

{{/* 1=synod-1.DOMAIN:7302 for each founder that still has its volume. */}}
{{- define "synod.founders" -}}
{{- $list := list -}}
{{- range $n := untilStep 1 (int (add 1 .Values.members.founders)) 1 -}}
{{- if not (has (float64 $n) $.Values.members.rejoin) -}}
{{- $list = append $list (printf "%d=%s-%d.%s:%d" $n (include "synod.fullname" $) $n (include "synod.podDomain" $) (int $.Values.service.peerPort)) -}}
{{- end -}}
{{- end -}}
{{- if not $list -}}
{{- fail "members.rejoin lists all founders: with no volume left, restore a backup (docs/operations.md, Backups)" -}}
{{- end -}}
{{- toYaml $list -}}
{{- end -}}

{{/* Every pod's: no root, no capabilities, nothing to write but its volumes. */}}
{{- define "synod.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "synod.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* What the pods of this chart that are clients have in common. */}}
{{- define "synod.clientPod" -}}
serviceAccountName: {{ include "synod.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "synod.podSecurity" . | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "synod.clientContainer" -}}
image: {{ include "synod.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "synod.containerSecurity" . | nindent 2 }}
env:
  - name: SYNOD_ENDPOINTS
    value: {{ include "synod.clientUrl" . }}
  {{- if .Values.tls.enabled }}
  - name: SYNOD_CACERT
    value: /etc/synod-client/ca.crt
  {{- end }}
  {{- if .Values.auth.enabled }}
  - name: SYNOD_AUTH_TOKEN
    valueFrom:
      secretKeyRef:
        {{- include "synod.adminToken" . | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* Where a client pod finds whom to believe; empty without TLS. */}}
{{- define "synod.clientMounts" -}}
{{- if .Values.tls.enabled -}}
- name: authority
  mountPath: /etc/synod-client
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "synod.clientVolumes" -}}
{{- if .Values.tls.enabled -}}
- name: authority
  secret:
    secretName: {{ include "synod.clientSecret" . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end -}}
{{- end -}}
