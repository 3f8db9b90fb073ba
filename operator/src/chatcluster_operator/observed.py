"""What there is of a ChatCluster in the API server, at one moment.

Owns the snapshot that decisions are made on, and questions about single objects in it. Pure: whoever fills it has read
the API server before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster

Key = tuple[str, str]
"""Kind and name: all children of a ChatCluster are in its namespace."""


def key_of(manifest: Manifest) -> Key:
    """Which child it is."""
    return manifest["kind"], manifest["metadata"]["name"]


@dataclass(frozen=True, slots=True)
class Observed:
    """One ChatCluster's part of the API server."""

    children: Mapping[Key, Manifest] = field(default_factory=dict)
    """All objects that this ChatCluster owns, but its Secrets."""
    pods: tuple[Manifest, ...] = ()
    """Of all components, those that are going included."""
    claim: Manifest | None = None
    """The PersistentVolumeClaim of the managed Redis, whoever made it."""
    unknown_storage_class: str = ""
    """The StorageClass that this claim waits for, if there is none of that name."""
    is_out_of_patience: bool = False
    """Whether nothing has been known of delivery for so long that no rollout waits for it (delivering)."""

    def versions(self) -> frozenset[str]:
        """The resourceVersions of all of them, no two of which are the same."""
        objects = (*self.children.values(), *self.pods, *([self.claim] if self.claim else []))
        return frozenset(found["metadata"]["resourceVersion"] for found in objects)

    def program(self, cluster: ChatCluster, component: str) -> Manifest | None:
        """A component's Deployment, or Redis' StatefulSet."""
        kind = "StatefulSet" if component == names.REDIS else "Deployment"
        return self.children.get((kind, names.child(cluster, component)))

    def pods_of(self, component: str) -> list[Manifest]:
        """A component's pods that are not going, by name."""
        return [
            pod
            for pod in sorted(self.pods, key=lambda pod: str(pod["metadata"]["name"]))
            if pod["metadata"].get("labels", {}).get(names.COMPONENT) == component and not is_going(pod)
        ]


def is_going(manifest: Manifest) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in manifest["metadata"]


def annotation(manifest: Manifest, name: str) -> str:
    """The value of an annotation; empty where there is none."""
    return str(manifest["metadata"].get("annotations", {}).get(name, ""))


def is_complete(program: Manifest) -> bool:
    """Whether a Deployment or StatefulSet runs what it was last told to: every pod new, and every pod ready."""
    wanted, status = program["spec"].get("replicas", 1), program.get("status", {})
    counts = ("replicas", "updatedReplicas", "readyReplicas")
    return status.get("observedGeneration") == program["metadata"]["generation"] and all(
        status.get(count, 0) == wanted for count in counts
    )
