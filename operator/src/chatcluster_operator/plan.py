"""What has to be done so that what is there becomes what should be there.

Owns the decision; pure. In the steady state the answer is nothing: a child is left alone as long as it was applied from
the same manifest (its digest is an annotation) and still says so (matching).

Two fields are not simply applied. The number of replicas of a program with an autoscaler belongs to that one: it begins
at the autoscaler's least, and before the operator lets go of it, another field manager holds the live number, or it
would fall back to 1. And the volume template of a StatefulSet cannot change: to grow, the claim is patched, and the set
is deleted without its pod and made anew. Does not own what is decided about the claim of Redis' volume (claims).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from chatcluster_operator import claims, hashing, matching, names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed

Why = Literal["missing", "changed", "drift"]


@dataclass(frozen=True, slots=True)
class Apply:
    """Send the whole manifest."""

    manifest: Manifest
    why: Why
    holds_replicas: bool = False
    """Whether another field manager has to own the live number of replicas before: the operator lets go of it. One
    action with what follows, which must not be done when this fails."""


@dataclass(frozen=True, slots=True)
class Delete:
    """A child that is no longer wanted."""

    live: Manifest


@dataclass(frozen=True, slots=True)
class Orphan:
    """Delete a StatefulSet and leave its pod and claim alone: the next one of its name takes them over."""

    live: Manifest


@dataclass(frozen=True, slots=True)
class Blocked:
    """A child that cannot be made yet."""

    why: str


Action = Apply | Delete | Orphan | Blocked | claims.Grow | claims.Own


def plan(desired: Sequence[Manifest], seen: Observed) -> list[Action]:
    """What to do, in this order. Nothing is done to a child that is going: the one after it is made when it is gone."""
    wanted = {observed.key_of(manifest): manifest for manifest in desired}
    return [
        *(action for manifest in desired for action in _for_child(stamped(manifest), wanted, seen)),
        *(Delete(live) for key, live in seen.children.items() if key not in wanted and not observed.is_going(live)),
    ]


def stamped(manifest: Manifest) -> Manifest:
    """With the digest of itself."""
    metadata = manifest["metadata"]
    stamp = {names.DESIRED_HASH: hashing.digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": {**metadata.get("annotations", {}), **stamp}}}


def _for_child(manifest: Manifest, wanted: Mapping[Key, Manifest], seen: Observed) -> Iterator[Action]:
    key: Key = observed.key_of(manifest)
    live = seen.children.get(key)
    if live is None and key[0] == "StatefulSet" and (why := claims.blocks(manifest, seen.claim)):
        yield Blocked(why)
    elif live is None:
        yield Apply(_first(manifest, wanted), "missing")
    elif observed.is_going(live):
        return
    elif key[0] == "StatefulSet":
        yield from _for_set(manifest, live, seen)
    else:
        yield from _update(manifest, live)


def _first(manifest: Manifest, wanted: Mapping[Key, Manifest]) -> Manifest:
    """What a child is made as: nobody's number of replicas would be 1, until an autoscaler has looked at it."""
    autoscaler = wanted.get(("HorizontalPodAutoscaler", manifest["metadata"]["name"]))
    if manifest["kind"] != "Deployment" or autoscaler is None:
        return manifest
    return {**manifest, "spec": {"replicas": autoscaler["spec"]["minReplicas"], **manifest["spec"]}}


def _update(manifest: Manifest, live: Manifest) -> Iterator[Action]:
    is_changed = observed.annotation(live, names.DESIRED_HASH) != observed.annotation(manifest, names.DESIRED_HASH)
    if not is_changed and matching.covers(live, manifest):
        return
    yield Apply(manifest, "changed" if is_changed else "drift", _lets_go_of_replicas(manifest, live))


def _lets_go_of_replicas(manifest: Manifest, live: Manifest) -> bool:
    if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"]:
        return False
    managers = {
        entry["manager"]
        for entry in live["metadata"].get("managedFields", [])
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
    }
    return managers == {names.FIELD_MANAGER}


def _for_set(manifest: Manifest, live: Manifest, seen: Observed) -> Iterator[Action]:
    [template], [live_template] = (one["spec"]["volumeClaimTemplates"] for one in (manifest, live))
    # Whatever the live template says: an earlier ChatCluster of this name may have left the claim.
    growth = claims.growth(template, seen.claim)
    if growth:
        yield growth
    if claims.size(template) == claims.size(live_template):
        yield from _update(manifest, live)
    elif not growth:  # the set goes when the claim was taken: a StorageClass may refuse to grow
        yield Orphan(live)


def pending(actions: Sequence[Action]) -> list[Key]:
    """The children that these actions bring to what they should be, or take away, but for mere drift."""
    return [key for action in actions for key in _pending(action)]


def _pending(action: Action) -> Iterator[Key]:
    match action:
        case Apply(manifest, "missing" | "changed", _):
            yield observed.key_of(manifest)
        case Orphan(live) | Delete(live):
            yield observed.key_of(live)
        case claims.Grow(name, _) | claims.Own(name, _):
            yield "PersistentVolumeClaim", name
