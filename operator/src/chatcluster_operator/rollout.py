"""In which order the programs get a new pod template.

Owns the order: one component at a time (task, logic, api, connect), the next one only when the last runs the new
template and all its pods are ready. It limits the damage of a template that does not work to the first component. Does
not own how pods of one component are replaced: its Deployment does that.

A component that waits keeps its *live* pod template, while everything else about it, its scale first of all, goes on
being applied. Nothing waits at first creation. Pure.
"""

from collections.abc import Sequence

from chatcluster_operator import names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.spec import COMPONENTS, ChatCluster


def gated(cluster: ChatCluster, desired: Sequence[Manifest], seen: Observed) -> list[Manifest]:
    """`desired`, with the templates that have to wait replaced by live ones."""
    by_key = {observed.key_of(manifest): manifest for manifest in desired}
    is_open = True
    for component in COMPONENTS:
        key = ("Deployment", names.child(cluster, component))
        live = seen.children.get(key)
        if key not in by_key:
            continue
        if live is None:
            is_open = False  # it is made at once, and has yet to arrive
        elif is_open:
            is_open = has_arrived(by_key[key], live)
        elif not _is_current(by_key[key], live):
            by_key[key] = _waiting(by_key[key], live)
    return list(by_key.values())


def waiting(cluster: ChatCluster, desired: Sequence[Manifest], seen: Observed) -> list[str]:
    """The components whose new template has to wait."""
    changed = {
        observed.key_of(after)
        for after, before in zip(gated(cluster, desired, seen), desired, strict=True)
        if after is not before
    }
    return [component for component in COMPONENTS if ("Deployment", names.child(cluster, component)) in changed]


def has_arrived(desired: Manifest, live: Manifest) -> bool:
    """Whether a Deployment runs this template, and nothing but it, with all pods ready."""
    return _is_current(desired, live) and observed.is_complete(live)


def _is_current(desired: Manifest, live: Manifest) -> bool:
    name = names.TEMPLATE_HASH
    return observed.annotation(desired, name) == observed.annotation(live, name)


def _waiting(desired: Manifest, live: Manifest) -> Manifest:
    metadata = desired["metadata"]
    kept = {names.TEMPLATE_HASH: observed.annotation(live, names.TEMPLATE_HASH)}
    return {
        **desired,
        "metadata": {**metadata, "annotations": {**metadata["annotations"], **kept}},
        "spec": {**desired["spec"], "template": live["spec"]["template"]},
    }
