"""In which order the programs get a new pod template.

Owns the order: one component at a time (task, logic, api, connect), the next one only when the last runs the new
template, all its pods are ready, and messages arrive (delivering). It limits the damage of a template that does not
work to the first component. Does not own how pods of one component are replaced: its Deployment does that.

Who shares a secret with those before, which they have anew, waits for their pods alone: until all have it they may not
understand each other, and it is the next one's turn that repairs that.

The synthetic user comes last: what is new is judged by what is known. It waits for the others, and for no verdict.

A component that waits keeps its *live* pod template, while everything else about it, its scale first of all, goes on
being applied. Nothing waits at first creation. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatcluster_operator import delivering, names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.resources import synthetic
from chatcluster_operator.spec import COMPONENTS, ChatCluster


@dataclass(frozen=True, slots=True)
class Turn:
    """Who has to wait."""

    waiting: tuple[str, ...]
    """The components whose new template has to."""
    watched: Mapping[str, str]
    """What they wait for, if that is messages: by these components, whose templates (their digests) have arrived."""
    settled: Mapping[str, str]
    """All components that have arrived, or are being made, with their templates."""


def turn(cluster: ChatCluster, desired: Sequence[Manifest], seen: Observed) -> Turn:
    """Whose turn it is not yet."""
    by_key = {observed.key_of(manifest): manifest for manifest in desired}
    waiting, watched, arrived, settled = list[str](), dict[str, str](), dict[str, str](), dict[str, str]()
    is_open = True
    for component in (*COMPONENTS, names.SYNTHETIC):
        key = _key(cluster, component)
        wanted, live = by_key.get(key), seen.children.get(key)
        if wanted is None:
            continue
        is_new = live is not None and not _is_current(wanted, live)
        is_judged = is_new and is_open and component in COMPONENTS and not _has_new_secrets(wanted, live)
        if is_judged and not delivering.lets_on(cluster, seen, arrived):
            is_open, watched = False, dict(arrived)
        if is_new and not is_open:
            waiting.append(component)
        # What is not there is made at once, and has yet to arrive.
        is_open = is_open and live is not None and has_arrived(wanted, live)
        arrived[component] = observed.annotation(wanted, names.TEMPLATE_HASH)
        if component in COMPONENTS and (live is None or has_arrived(wanted, live)):
            settled[component] = arrived[component]
    return Turn(tuple(waiting), watched, settled)


def gated(cluster: ChatCluster, desired: Sequence[Manifest], seen: Observed) -> list[Manifest]:
    """`desired`, with the templates that have to wait replaced by live ones, and with what is asked about delivery."""
    now, by_key = turn(cluster, desired, seen), {observed.key_of(manifest): manifest for manifest in desired}
    for component in now.waiting:
        key = _key(cluster, component)
        by_key[key] = _waiting(by_key[key], seen.children[key])
    report = ("ConfigMap", names.child(cluster, names.SYNTHETIC))
    if report in by_key:
        asked = delivering.question(cluster, seen, now.watched, now.settled)
        by_key[report] = {**by_key[report], "data": {synthetic.QUESTION: asked}}
    return list(by_key.values())


def has_arrived(desired: Manifest, live: Manifest) -> bool:
    """Whether a Deployment runs this template, and nothing but it, with all pods ready."""
    return _is_current(desired, live) and observed.is_complete(live)


def _key(cluster: ChatCluster, component: str) -> Key:
    return "Deployment", names.child(cluster, component)


def _is_current(desired: Manifest, live: Manifest) -> bool:
    name = names.TEMPLATE_HASH
    return observed.annotation(desired, name) == observed.annotation(live, name)


def _has_new_secrets(desired: Manifest, live: Manifest | None) -> bool:
    return live is not None and _secrets(desired) != _secrets(live)


def _secrets(program: Manifest) -> str:
    return observed.annotation(program["spec"]["template"], names.SECRETS_HASH)


def _waiting(desired: Manifest, live: Manifest) -> Manifest:
    metadata = desired["metadata"]
    kept = {names.TEMPLATE_HASH: observed.annotation(live, names.TEMPLATE_HASH)}
    return {
        **desired,
        "metadata": {**metadata, "annotations": {**metadata["annotations"], **kept}},
        "spec": {**desired["spec"], "template": live["spec"]["template"]},
    }
