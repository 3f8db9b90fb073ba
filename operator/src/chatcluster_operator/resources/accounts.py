"""Who the pods are to the API server.

Owns a ServiceAccount for each component, and the one right that two of them have: to read the EndpointSlices of their
namespace. RBAC cannot narrow a list to one Service's slices. Pure.
"""

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


def role(cluster: ChatCluster) -> Manifest:
    """What whoever looks for logic may do."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": names.metadata(cluster, DISCOVERY),
        "rules": [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}],
    }


def role_binding(cluster: ChatCluster) -> Manifest:
    """And who that is."""
    name = names.child(cluster, DISCOVERY)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": names.metadata(cluster, DISCOVERY),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [
            {"kind": "ServiceAccount", "name": names.child(cluster, reader), "namespace": cluster.namespace}
            for reader in _READERS
        ],
    }
