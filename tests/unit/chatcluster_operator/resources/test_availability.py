from dataclasses import replace

import pytest

from chatcluster_operator import names
from chatcluster_operator.resources import availability
from chatcluster_operator.resources.context import Kept
from chatcluster_operator.spec import COMPONENTS, Component
from support import manifests


@pytest.mark.parametrize(
    ("program", "has_budget"),
    [
        ({"replicas": 1}, False),
        ({"replicas": 2}, True),
        ({"replicas": 1, "autoscaling": {"maxReplicas": 5}}, True),
        ({"replicas": 5, "autoscaling": {"minReplicas": 1, "maxReplicas": 5}}, False),
    ],
)
def test_only_more_than_one_pod_has_a_budget(program: dict[str, object], has_budget: bool) -> None:
    """With one pod it would keep a node from ever being drained; an autoscaler may come down to its minimum."""
    found = availability.disruption_budget(manifests.chatcluster({"api": program}), "api", manifests.CONTEXT)

    assert (found is not None) is has_budget


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_budget_lets_one_pod_go_at_a_time(component: Component) -> None:
    """And any that is not ready."""
    cluster = manifests.chatcluster()
    found = availability.disruption_budget(cluster, component, manifests.CONTEXT)

    assert found
    assert found["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": names.selector(cluster, component)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


@pytest.mark.parametrize(("replicas", "has_budget"), [(1, False), (2, True)])
def test_pods_that_an_autoscaler_left_behind_have_a_budget(replicas: int, has_budget: bool) -> None:
    """Their number counts, not the spec's."""
    context = replace(manifests.CONTEXT, kept={"api": Kept(replicas, "1")})
    found = availability.disruption_budget(manifests.chatcluster({"api": {"replicas": 1}}), "api", context)

    assert (found is not None) is has_budget


def test_without_autoscaling_there_is_no_autoscaler() -> None:
    """The spec's replicas count."""
    assert [availability.autoscaler(manifests.chatcluster(), component) for component in COMPONENTS] == [None] * 4


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_autoscaler_scales_its_deployment(component: Component) -> None:
    """Between the spec's bounds, by the CPU that its pods ask for."""
    autoscaling = {"minReplicas": 3, "maxReplicas": 7, "targetCPUUtilization": 50}
    cluster = manifests.chatcluster({component: {"autoscaling": autoscaling}})
    found = availability.autoscaler(cluster, component)

    assert found
    spec = found["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 7)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"demo-{component}"}
    [metric] = spec["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
