"""What things are called: children, labels, annotations, keys of Secrets.

Owns every name that has to be the same in two places. Pure. Labels follow
https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/ .
"""

from typing import Any

from chatcluster_operator.spec import ChatCluster

Manifest = dict[str, Any]
"""An object for the API server, or a part of one."""

GROUP = "chatcluster.io"
VERSION = "v1alpha1"
PLURAL = "chatclusters"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ChatCluster"

FIELD_MANAGER = "chatcluster-operator"
SCALE_MANAGER = "chatcluster-operator-scale"
"""Holds the live number of replicas when an autoscaler takes over: a field without a manager falls back to 1."""

DESIRED_HASH = f"{GROUP}/desired-hash"
"""On a child: of the whole object as it was last applied. Tells of fields that are no longer wanted."""
TEMPLATE_HASH = f"{GROUP}/template-hash"
"""On a Deployment: of the pod template as it was last applied."""
SECRETS_HASH = f"{GROUP}/secrets-hash"
"""On a pod template: of the secrets that its pods read when they start."""
CONFIGURATION_HASH = f"{GROUP}/configuration-hash"
"""On a pod template: of the ConfigMap that its pods read when they start."""
UNCOUNTED_REPLICAS = f"{GROUP}/uncounted-replicas"
"""On a Deployment whose number of pods an autoscaler chooses, or chose last: the spec's, which does not count."""

MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"

REDIS = "redis"
SYNTHETIC = "synthetic"
"""The synthetic user, as a component."""
PORTS = {"api": 7070, "websocket": 7000, "tcp": 7001, "logic": 6900, "connect": 6912, "health": 9070, "redis": 6379}


def child(cluster: ChatCluster, component: str) -> str:
    """The name of a child; at most 40 + 1 + 9 characters, so that what is made of it still fits a label."""
    return f"{cluster.name}-{component}"


def selector(cluster: ChatCluster, component: str) -> dict[str, str]:
    """What a component's pods are found by. Never more than this: selectors are immutable."""
    return {"app.kubernetes.io/name": "chatcluster", INSTANCE: cluster.name, COMPONENT: component}


def labels(cluster: ChatCluster, component: str) -> dict[str, str]:
    """What a child carries."""
    return {**selector(cluster, component), "app.kubernetes.io/part-of": "chatcluster", MANAGED_BY: FIELD_MANAGER}


def owner(cluster: ChatCluster) -> Manifest:
    """The owner reference of a child: it goes when the ChatCluster goes, and does not hold its deletion up."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": cluster.name,
        "uid": cluster.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def metadata(
    cluster: ChatCluster, component: str, name: str | None = None, annotations: dict[str, str] | None = None
) -> Manifest:
    """The metadata of a child; its name is the component's unless another is given."""
    return pruned(
        {
            "name": name or child(cluster, component),
            "namespace": cluster.namespace,
            "labels": labels(cluster, component),
            "annotations": annotations or {},
            "ownerReferences": [owner(cluster)],
        }
    )


def owned_by(cluster: ChatCluster, manifest: Manifest) -> bool:
    """Whether a live object is a child of exactly this ChatCluster, and not of an earlier one of its name."""
    references = manifest["metadata"].get("ownerReferences", [])
    return any(reference["uid"] == cluster.uid for reference in references)


def pruned(manifest: Manifest) -> Manifest:
    """Without the keys that hold nothing: the API server does not keep them either."""
    return {key: value for key, value in manifest.items() if value not in (None, "", [], {})}
