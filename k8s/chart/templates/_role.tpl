{{- /* The Deployment of a role: no state, no sticky sessions, nobody missing while it rolls. */ -}}
{{- define "chat.deployment" -}}
{{- $values := .root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "chat.meta" . | nindent 2 }}
spec:
  {{- if not .spec.autoscaling.enabled }}
  replicas: {{ .spec.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  # Longer than a pod may take to start, so that a roll-out that does not progress is reported, not a slow one.
  progressDeadlineSeconds: 600
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: {{ .surge }}}
  selector:
    matchLabels:
      {{- include "chat.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "chat.selector" . | nindent 8 }}
    spec:
      serviceAccountName: {{ .root.Release.Name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      # A gateway leaves within 5 s + 60 s and closes what is open within 15 s more.
      terminationGracePeriodSeconds: 90
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- with $values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "chat.pod-security" . | nindent 8 }}
      topologySpreadConstraints:
        {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels:
              {{- include "chat.selector" $ | nindent 14 }}
        {{- end }}
      containers:
        - name: chat
          image: {{ include "chat.image" .root }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args: [{{ .role }}]
          env:
            {{- include "chat.env" . | trim | nindent 12 }}
          ports:
            {{- if eq .role "gateway" }}
            - {name: http, containerPort: 8080}
            {{- end }}
            - {name: ops, containerPort: 9090}
          # Elections and scans after a hard kill take a while; the process itself waits 60 s for log and store.
          startupProbe:
            httpGet: {path: /startupz, port: ops}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /livez, port: ops}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          readinessProbe:
            httpGet: {path: /readyz, port: ops}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 2
          resources:
            {{- toYaml .spec.resources | nindent 12 }}
          securityContext:
            {{- include "chat.container-security" . | nindent 12 }}
          {{- $files := include "chat.files" . }}
          {{- if $files }}
          volumeMounts:
            {{- if contains "keys" $files }}
            - {name: keys, mountPath: /etc/chat/keys, readOnly: true}
            {{- end }}
            {{- if contains "log-ca" $files }}
            - {name: log-ca, mountPath: /etc/chat/log-ca, readOnly: true}
            {{- end }}
          {{- end }}
      {{- if $files }}
      volumes:
        {{- if contains "keys" $files }}
        - name: keys
          secret: {secretName: {{ $values.keysSecret }}, defaultMode: 0440}
        {{- end }}
        {{- if contains "log-ca" $files }}
        - name: log-ca
          secret: {secretName: {{ $values.log.caSecret }}, defaultMode: 0444}
        {{- end }}
      {{- end }}
{{- end }}

{{- /* One at a time may be evicted; one that is broken already always. */ -}}
{{- define "chat.disruption-budget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "chat.meta" . | nindent 2 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "chat.selector" . | nindent 6 }}
{{- end }}

{{- /* Up at once; down by a tenth a minute, after ten quiet minutes: everyone on a pod that goes must come back. */ -}}
{{- define "chat.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "chat.meta" . | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .root.Release.Name }}-{{ .role }}}
  minReplicas: {{ .spec.autoscaling.min }}
  maxReplicas: {{ .spec.autoscaling.max }}
  metrics:
    {{- toYaml .metrics | nindent 4 }}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      policies: [{type: Percent, value: 100, periodSeconds: 60}]
    scaleDown:
      stabilizationWindowSeconds: 600
      policies: [{type: Percent, value: 10, periodSeconds: 60}]
{{- end }}

{{- /* What a role may be reached by and may reach: nothing else passes. */ -}}
{{- define "chat.network-policy" -}}
{{- $policy := .root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "chat.meta" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "chat.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{port: ops, protocol: TCP}]
      {{- with $policy.prometheus }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- if eq .role "gateway" }}
    - ports: [{port: http, protocol: TCP}]
      {{- with $policy.users }}
      from:
        {{- toYaml . | nindent 8 }}
        {{- if $.root.Values.canary.enabled }}
        - podSelector:
            matchLabels:
              {{- include "chat.selector" (dict "root" $.root "role" "canary") | nindent 14 }}
        {{- end }}
      {{- end }}
    {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    {{- if eq .role "canary" }}
    - ports: [{port: http, protocol: TCP}]
      to:
        - podSelector:
            matchLabels:
              {{- include "chat.selector" (dict "root" .root "role" "gateway") | nindent 14 }}
    {{- else }}
    - ports: [{port: {{ $policy.ports.log }}, protocol: TCP}]
      {{- with $policy.log }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    - ports: [{port: {{ $policy.ports.store }}, protocol: TCP}]
      {{- with $policy.store }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with $policy.collector }}
    - ports: [{port: {{ $policy.ports.collector }}, protocol: TCP}]
      to:
        {{- toYaml . | nindent 8 }}
    {{- end }}
    {{- end }}
{{- end }}
