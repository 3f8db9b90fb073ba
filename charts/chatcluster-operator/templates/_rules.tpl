{{/* What the operator may do in a namespace that it watches. It uses all of this, but for what is held to grant. */}}
{{- define "rules" -}}
# What it makes things of, and what it reports.
- apiGroups: [chatcluster.io]
  resources: [chatclusters]
  verbs: [get, list, watch]
- apiGroups: [chatcluster.io]
  resources: [chatclusters/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
# What it makes. Server-side apply is a patch, and a create where there was nothing.
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings, roles]
  verbs: [get, list, watch, create, patch, delete]
# Secrets are read by their names and made once: never listed, never changed.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create]
# What it looks at: pods for what ails them, claims to let them grow.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, patch]
# Held to grant: pods of api and connect look for logic by these, and the synthetic user for gateways; and nobody can
# grant what they do not hold.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
{{- end -}}
