from typing import Any

import pytest

from chatcluster_operator import observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from support import manifests


def test_programs_are_found_by_component() -> None:
    """A program is a Deployment, and Redis a StatefulSet; None where there is none."""
    cluster = manifests.chatcluster()
    seen = manifests.settled(cluster)

    assert seen.program(cluster, "api") is seen.children["Deployment", "demo-api"]
    assert seen.program(cluster, "redis") is seen.children["StatefulSet", "demo-redis"]
    assert Observed().program(cluster, "api") is None


def test_versions_are_those_of_everything() -> None:
    """Whatever changes, be it a child, a pod or the claim, they are others."""
    child, pod, claim = ({"kind": "Any", "metadata": {"name": "a", "resourceVersion": f"{n}"}} for n in (1, 2, 3))
    seen = Observed(children={("Any", "a"): child}, pods=(pod,), claim=claim)

    assert seen.versions() == {"1", "2", "3"}
    assert Observed().versions() == frozenset()


def test_pods_of_a_component_come_by_name_and_without_those_that_go() -> None:
    """The order is the same at every look, so that a message about one of them does not change."""
    one, two = manifests.pod("api", name="b"), manifests.pod("api", name="a")
    going = manifests.pod("api", name="0", deletionTimestamp=manifests.NOW)
    foreign = {"metadata": {"name": "c"}}
    seen = Observed(pods=(one, going, manifests.pod("logic"), foreign, two))

    assert seen.pods_of("api") == [two, one]


def test_annotations_that_are_not_there_are_empty() -> None:
    """An object that was never stamped differs from every digest."""
    assert observed.annotation({"metadata": {}}, "a") == ""
    assert observed.annotation({"metadata": {"annotations": {"a": "b"}}}, "a") == "b"


def program(wanted: int | None, **status: Any) -> Manifest:
    """Return a Deployment at generation 3."""
    spec = {} if wanted is None else {"replicas": wanted}
    return {"metadata": {"generation": 3}, "spec": spec, "status": status}


COMPLETE = {"observedGeneration": 3, **manifests.complete(2)}


@pytest.mark.parametrize(
    ("found", "is_complete"),
    [
        (program(2, **COMPLETE), True),
        (program(None, observedGeneration=3, **manifests.complete(1)), True),
        (program(0, observedGeneration=3), True),
        (program(2, **COMPLETE | {"observedGeneration": 2}), False),
        (program(2, **COMPLETE | {"updatedReplicas": 1}), False),
        (program(2, **COMPLETE | {"readyReplicas": 1}), False),
        (program(2, **COMPLETE | {"replicas": 3}), False),
        (program(3, **COMPLETE), False),
        ({"metadata": {"generation": 1}, "spec": {"replicas": 1}}, False),
    ],
)
def test_complete_means_that_every_pod_is_new_and_ready(found: Manifest, is_complete: bool) -> None:
    """At the generation that is wanted now: counts of an older one say nothing, and an old pod that lingers counts."""
    assert observed.is_complete(found) is is_complete
