"""What keeps enough pods of a program running: PodDisruptionBudgets and HorizontalPodAutoscalers.

Owns when there is one. Pure.
"""

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources.context import Context
from chatcluster_operator.spec import ChatCluster, Component


def disruption_budget(cluster: ChatCluster, component: Component, context: Context) -> Manifest | None:
    """One pod at a time may be evicted; none where there is only one pod, which nobody could ever move then.

    Pods that are not ready may always go: a crash loop must not hold up a node's drain.
    https://kubernetes.io/docs/tasks/run-application/configure-pdb/#unhealthy-pod-eviction-policy
    """
    program = cluster.spec.program(component)
    left = context.kept.get(component)
    replicas = left.replicas if left else program.replicas
    least = program.autoscaling.min_replicas if program.autoscaling else replicas
    if least < 2:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": names.metadata(cluster, component),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": names.selector(cluster, component)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def autoscaler(cluster: ChatCluster, component: Component) -> Manifest | None:
    """Where the spec has one."""
    autoscaling = cluster.spec.program(component).autoscaling
    if autoscaling is None:
        return None
    utilization = {"type": "Utilization", "averageUtilization": autoscaling.target_cpu_utilization}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": names.metadata(cluster, component),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": names.child(cluster, component)},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
        },
    }
