import copy

import pytest

from chatcluster_operator import names, scaling
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.resources.context import Kept
from chatcluster_operator.spec import COMPONENTS, Component
from support import manifests
from support.manifests import nested

MAXIMUM = {"maxReplicas": 9}
AUTOSCALER = "HorizontalPodAutoscaler"


def seen(component: Component, replicas: int, uncounted: str = "2", *, is_on: bool = False) -> Observed:
    """Return what there is after an autoscaler came to a number of pods; and the autoscaler, if it is still on."""
    found: dict[Key, Manifest] = copy.deepcopy(manifests.children({component: {"autoscaling": MAXIMUM}}))
    live = found["Deployment", f"demo-{component}"]
    live["spec"]["replicas"] = replicas
    live["metadata"]["annotations"][names.UNCOUNTED_REPLICAS] = uncounted
    if not is_on:
        del found[AUTOSCALER, f"demo-{component}"]
    return Observed(children=found)


@pytest.mark.parametrize("component", COMPONENTS)
def test_more_pods_than_the_spec_says_stay(component: Component) -> None:
    """As long as the spec says what it said while the autoscaler was there."""
    assert scaling.kept(manifests.chatcluster(), seen(component, 5)) == {component: Kept(5, "2")}


@pytest.mark.parametrize("replicas", [1, 2])
def test_no_more_than_the_spec_says_are_not_kept(replicas: int) -> None:
    """Too few are put right at once; and whoever scales the Deployment down to the spec's number ends it all."""
    assert scaling.kept(manifests.chatcluster(), seen("api", replicas)) == {}


@pytest.mark.parametrize("replicas", [1, 3, 5, 9])
def test_a_changed_number_counts(replicas: int) -> None:
    """Whoever changes it wants it."""
    cluster = manifests.chatcluster({"api": {"replicas": replicas}})

    assert scaling.kept(cluster, seen("api", 5)) == {}


def test_without_the_annotation_the_spec_counts() -> None:
    """It was taken away by hand, or there never was an autoscaler."""
    assert scaling.kept(manifests.chatcluster(), seen("api", 5, uncounted="")) == {}
    assert scaling.kept(manifests.chatcluster(), manifests.settled(manifests.chatcluster())) == {}


@pytest.mark.parametrize(("replicas", "uncounted"), [(1, "2"), (5, "2"), (5, "")])
def test_as_long_as_the_autoscaler_is_there_the_number_is_its_own(replicas: int, uncounted: str) -> None:
    """Whatever the spec says by now; and what it said before is not forgotten."""
    cluster = manifests.chatcluster({"api": {"replicas": 4}})

    assert scaling.kept(cluster, seen("api", replicas, uncounted, is_on=True)) == {"api": Kept(replicas, uncounted)}


def test_an_autoscaler_of_the_spec_keeps_nothing() -> None:
    """It counts itself."""
    cluster = manifests.chatcluster(nested("api.autoscaling", MAXIMUM))

    assert scaling.kept(cluster, seen("api", 5, is_on=True)) == {}


def test_of_what_is_not_there_nothing_is_kept() -> None:
    """A Deployment that was deleted is made with the spec's number."""
    assert scaling.kept(manifests.chatcluster(), Observed()) == {}
