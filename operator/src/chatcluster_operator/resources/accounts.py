"""Who the pods are to the API server.

Owns a ServiceAccount for each component, and the rights that some of them have: api, the gateways and the synthetic
user read the EndpointSlices of their namespace (RBAC cannot narrow a list to one Service's slices), and the synthetic
user reads and changes the one ConfigMap that it reports in. Pure.
"""

from collections.abc import Sequence

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster

DISCOVERY = "discovery"
_READERS = ("api", "connect")


def service_account(cluster: ChatCluster, component: str) -> Manifest:
    """The identity of a component's pods; tokens are mounted by the pods that need one."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": names.metadata(cluster, component),
        "automountServiceAccountToken": False,
    }


def discovery(cluster: ChatCluster) -> list[Manifest]:
    """What whoever looks for other programs may do, and who that is."""
    judge = (names.SYNTHETIC,) if cluster.spec.monitoring.synthetic_user.enabled else ()
    rule = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    return [_role(cluster, DISCOVERY, rule), _binding(cluster, DISCOVERY, (*_READERS, *judge))]


def reporting(cluster: ChatCluster) -> list[Manifest]:
    """What the synthetic user may do besides: nothing with any other ConfigMap than its own."""
    name = names.child(cluster, names.SYNTHETIC)
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get", "patch"]}
    return [_role(cluster, names.SYNTHETIC, rule), _binding(cluster, names.SYNTHETIC, (names.SYNTHETIC,))]


def _role(cluster: ChatCluster, component: str, rule: Manifest) -> Manifest:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": names.metadata(cluster, component),
        "rules": [rule],
    }


def _binding(cluster: ChatCluster, component: str, subjects: Sequence[str]) -> Manifest:
    name = names.child(cluster, component)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": names.metadata(cluster, component),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [
            {"kind": "ServiceAccount", "name": names.child(cluster, subject), "namespace": cluster.namespace}
            for subject in subjects
        ],
    }
