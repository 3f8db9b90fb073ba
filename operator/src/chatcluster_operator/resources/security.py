"""What every pod of a ChatCluster is allowed: nothing.

Owns the security contexts; they meet the Pod Security Standard "restricted"
(https://kubernetes.io/docs/concepts/security/pod-security-standards/). Pure.
"""

from chatcluster_operator.names import Manifest

USER = 65_532
"""No user of any image: nothing in our images needs one, and files are given by the group."""


def pod() -> Manifest:
    """The security context of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container() -> Manifest:
    """The security context of a container."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
