"""What has to be done so that what is there becomes what should be there.

Owns the decision; pure. In the steady state the answer is nothing: a child is left alone as long as it was applied from
the same manifest (its digest is an annotation) and still says so (matching).

Two fields are not simply applied. The number of replicas of a program with an autoscaler belongs to that one; before
the operator lets go of it, another field manager holds the live number, or it would fall back to 1. And the volume
template of a StatefulSet cannot change: to grow, the claim is patched, and the set is deleted without its pod and made
anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chatcluster_operator import hashing, matching, names, observed, quantities
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed

Why = Literal["missing", "changed", "drift"]


@dataclass(frozen=True, slots=True)
class Apply:
    """Send the whole manifest."""

    manifest: Manifest
    why: Why


@dataclass(frozen=True, slots=True)
class Delete:
    """A child that is no longer wanted."""

    live: Manifest


@dataclass(frozen=True, slots=True)
class HoldReplicas:
    """Have another field manager own a Deployment's live number of replicas."""

    name: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Grow:
    """A PersistentVolumeClaim."""

    name: str
    size: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """Delete a StatefulSet and leave its pod and claim alone: the next one of its name takes them over."""

    live: Manifest


Action = Apply | Delete | HoldReplicas | Grow | Orphan


def plan(desired: Sequence[Manifest], seen: Observed) -> list[Action]:
    """What to do, in this order. Nothing is done to a child that is going: the one after it is made when it is gone."""
    wanted = {observed.key_of(manifest) for manifest in desired}
    return [
        *(action for manifest in desired for action in _for_child(stamped(manifest), seen)),
        *(Delete(live) for key, live in seen.children.items() if key not in wanted and not observed.is_going(live)),
    ]


def stamped(manifest: Manifest) -> Manifest:
    """With the digest of itself."""
    metadata = manifest["metadata"]
    stamp = {names.DESIRED_HASH: hashing.digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **stamp}}}


def _for_child(manifest: Manifest, seen: Observed) -> Iterator[Action]:
    key: Key = observed.key_of(manifest)
    live = seen.children.get(key)
    if live is None:
        yield Apply(manifest, "missing")
    elif observed.is_going(live):
        return
    elif key[0] == "StatefulSet" and _has_outgrown(manifest, live):
        yield from _grow(manifest, live, seen)
    else:
        yield from _update(manifest, live)


def _update(manifest: Manifest, live: Manifest) -> Iterator[Action]:
    is_changed = observed.annotation(live, names.DESIRED_HASH) != observed.annotation(manifest, names.DESIRED_HASH)
    if not is_changed and matching.covers(live, manifest):
        return
    if _lets_go_of_replicas(manifest, live):
        yield HoldReplicas(manifest["metadata"]["name"], live["spec"].get("replicas", 1))
    yield Apply(manifest, "changed" if is_changed else "drift")


def _lets_go_of_replicas(manifest: Manifest, live: Manifest) -> bool:
    if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"]:
        return False
    managers = {
        entry["manager"]
        for entry in live["metadata"].get("managedFields", [])
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    }
    return managers == {names.FIELD_MANAGER}


def _has_outgrown(manifest: Manifest, live: Manifest) -> bool:
    return _size(manifest) != _size(live)


def _size(stateful_set: Manifest) -> object:
    [claim] = stateful_set["spec"]["volumeClaimTemplates"]
    return quantities.number(claim["spec"]["resources"]["requests"]["storage"])


def _grow(manifest: Manifest, live: Manifest, seen: Observed) -> Iterator[Action]:
    [claim] = manifest["spec"]["volumeClaimTemplates"]
    size = claim["spec"]["resources"]["requests"]["storage"]
    if seen.claim is not None:
        has = seen.claim["spec"]["resources"]["requests"]["storage"]
        if quantities.number(has) < quantities.number(size):
            yield Grow(seen.claim["metadata"]["name"], size)
            return  # the set goes when the claim was taken: a StorageClass may refuse to grow
    yield Orphan(live)


def pending(actions: Sequence[Action]) -> list[Key]:
    """The children that these actions bring to what they should be, but for mere drift."""
    return [key for action in actions for key in _pending(action)]


def _pending(action: Action) -> Iterator[Key]:
    match action:
        case Apply(manifest, "missing" | "changed"):
            yield observed.key_of(manifest)
        case Orphan(live):
            yield observed.key_of(live)
        case Grow(name, _):
            yield "PersistentVolumeClaim", name
