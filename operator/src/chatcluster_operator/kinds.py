"""The kinds of objects that the operator deals with, and where the API server has them.

Owns the table. Pure.
"""

from dataclasses import dataclass

from chatcluster_operator import names


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind."""

    name: str
    api_version: str
    plural: str
    selector: str = ""
    """By which labels the operator's own are found; empty for what is never listed."""

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The path of its objects, in all namespaces if `namespace` is None, or of one object."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        place = f"/namespaces/{namespace}" if namespace else ""
        return "/".join(filter(None, [f"{root}{place}", self.plural, name, subresource]))


_OURS = f"{names.MANAGED_BY}={names.FIELD_MANAGER}"
_PODS = "app.kubernetes.io/name=chatcluster"
"""What controllers make of templates carries only what the template says."""

CHILDREN = (
    Kind("ServiceAccount", "v1", "serviceaccounts", _OURS),
    Kind("ConfigMap", "v1", "configmaps", _OURS),
    Kind("Service", "v1", "services", _OURS),
    Kind("Deployment", "apps/v1", "deployments", _OURS),
    Kind("StatefulSet", "apps/v1", "statefulsets", _OURS),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", _OURS),
    Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers", _OURS),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies", _OURS),
    Kind("Ingress", "networking.k8s.io/v1", "ingresses", _OURS),
    Kind("Role", "rbac.authorization.k8s.io/v1", "roles", _OURS),
    Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings", _OURS),
)
"""What the operator applies, watches and deletes."""
SEEN = (Kind("Pod", "v1", "pods", _PODS), Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims", _PODS))
"""What it only watches: others make them."""
WATCHED = (*CHILDREN, *SEEN)

CHATCLUSTER = Kind(names.KIND, names.API_VERSION, names.PLURAL)
SECRET = Kind("Secret", "v1", "secrets")
EVENT = Kind("Event", "v1", "events")
STORAGE_CLASS = Kind("StorageClass", "storage.k8s.io/v1", "storageclasses")

BY_NAME = {kind.name: kind for kind in (*WATCHED, CHATCLUSTER, SECRET, EVENT, STORAGE_CLASS)}
