"""The claim of the managed Redis' volume: how large it is, and what it goes with.

Owns what is decided about it. The StatefulSet makes it, and a ChatCluster may find the one that an earlier one of its
name has left; so it is never applied, and only its size and its owners are set.

It goes with its ChatCluster, or stays when that goes, as the spec says: by an owner reference to the ChatCluster, which
is there or not. Never with its set, which may be deleted by hand or made anew: that is why the set's own `whenDeleted`
is always Retain. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from chatcluster_operator import names, observed, quantities
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster


@dataclass(frozen=True, slots=True)
class Grow:
    """The claim."""

    name: str
    size: str


@dataclass(frozen=True, slots=True)
class Own:
    """Have the claim go with these owners, which replace those that it has; without any it stays."""

    name: str
    owners: Sequence[Manifest]


def size(claim: Manifest) -> Decimal:
    """How many bytes a claim asks for, or its template."""
    return quantities.number(_storage(claim))


def growth(template: Manifest, claim: Manifest | None) -> Grow | None:
    """What makes a claim as large as its template; nothing makes it smaller."""
    if claim is None or observed.is_going(claim) or size(claim) >= size(template):
        return None
    return Grow(claim["metadata"]["name"], _storage(template))


def ownership(cluster: ChatCluster, claim: Manifest | None) -> list[Own]:
    """What has a claim go with its ChatCluster, or stay, as the spec says; nothing is done to one that others own."""
    managed = cluster.spec.redis.managed
    if claim is None or managed is None or observed.is_going(claim) or _others(claim, cluster.uid):
        return []
    # Not as its controller: the set is, which looks after it. The ChatCluster only takes it along.
    wanted = [{**names.owner(cluster), "controller": False}] if managed.retention == "Delete" else []
    is_as_wanted = bool(_owners(claim)) == bool(wanted)
    return [] if is_as_wanted else [Own(claim["metadata"]["name"], wanted)]


def blocks(stateful_set: Manifest, claim: Manifest | None) -> str:
    """Why a set cannot be made while this claim is there, if so: it would take up a volume that is about to go."""
    [owner] = stateful_set["metadata"]["ownerReferences"]
    if claim is None or not (observed.is_going(claim) or _others(claim, owner["uid"])):
        return ""
    return f"PersistentVolumeClaim {claim['metadata']['name']} still belongs to something else, which is being deleted"


def _storage(claim: Manifest) -> str:
    found: str = claim["spec"]["resources"]["requests"]["storage"]
    return found


def _owners(claim: Manifest) -> list[Manifest]:
    owners: list[Manifest] = claim["metadata"].get("ownerReferences", [])
    return owners


def _others(claim: Manifest, uid: str) -> bool:
    return any(owner["uid"] != uid for owner in _owners(claim))
