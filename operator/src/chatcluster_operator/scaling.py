"""What becomes of a program's number of pods when its autoscaler is switched off.

Owns that decision. What an autoscaler has chosen is what the load needs, so taking it away takes no pods away: where
more run than the spec's `replicas`, they stay until that number is changed. So it is when any HorizontalPodAutoscaler
is deleted. Fewer than the spec's number are never kept.

Nothing is remembered by the process. A Deployment whose number is an autoscaler's carries the spec's, which does not
count, as an annotation; when the autoscaler is gone and the spec still has that number, nobody has changed it since,
and it goes on not counting. Whoever wants it to count changes it, or scales the Deployment down to it.

As long as the autoscaler is there the number is its own: it may have changed it since the Deployment was seen. Pure.
"""

from chatcluster_operator import names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.resources.context import Kept
from chatcluster_operator.spec import COMPONENTS, ChatCluster, Component


def kept(cluster: ChatCluster, seen: Observed) -> dict[Component, Kept]:
    """The programs without an autoscaler whose number of pods is not the spec's."""
    found = {component: seen.program(cluster, component) for component in COMPONENTS}
    return {
        component: Kept(live["spec"].get("replicas", 1), observed.annotation(live, names.UNCOUNTED_REPLICAS))
        for component, live in found.items()
        if live is not None and _stays(cluster, component, live, seen)
    }


def _stays(cluster: ChatCluster, component: Component, live: Manifest, seen: Observed) -> bool:
    program = cluster.spec.program(component)
    if program.autoscaling is not None:
        return False
    if ("HorizontalPodAutoscaler", names.child(cluster, component)) in seen.children:
        return True
    is_unchanged = observed.annotation(live, names.UNCOUNTED_REPLICAS) == str(program.replicas)
    return is_unchanged and live["spec"].get("replicas", 1) > program.replicas
