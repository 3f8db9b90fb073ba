from typing import Any

import pytest

from chatcluster_operator import desired, names, observed, rollout
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.spec import COMPONENTS, ChatCluster
from support import manifests

OLD = manifests.chatcluster({"image": "old"})
NEW = manifests.chatcluster({"image": "new", "connect": {"replicas": 5}})


def images(cluster: ChatCluster, seen: Observed) -> dict[str, str]:
    """Return which image each Deployment is to run now."""
    gated = manifests.by_key(rollout.gated(cluster, desired.children(cluster, manifests.CONTEXT), seen))
    return {component: image(gated["Deployment", names.child(cluster, component)]) for component in COMPONENTS}


def image(deployment: Manifest) -> str:
    """Return which image a Deployment runs."""
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def expect(*new: str, old: str = "old") -> dict[str, str]:
    """Return that these components run the new image and all others the old one."""
    return {component: "new" if component in new else old for component in COMPONENTS}


def with_programs(seen: Observed, cluster: ChatCluster, **statuses: dict[str, Any]) -> Observed:
    """Return what there is after these components got the template of another spec, and have this status by now."""
    wanted = manifests.by_key(desired.children(cluster, manifests.CONTEXT))
    found = dict(seen.children)
    for component, status in statuses.items():
        key = "Deployment", names.child(cluster, component)
        found[key] = manifests.running(wanted[key])
        found[key]["metadata"]["generation"] = 2
        found[key]["status"] |= {"observedGeneration": 2, **status}
    return Observed(children=found)


def test_first_creation_is_not_gated() -> None:
    """Nothing runs that could suffer: all are made at once."""
    assert images(NEW, Observed()) == expect(*COMPONENTS)


def test_one_component_at_a_time() -> None:
    """task, logic, api, connect: each as soon as the one before it runs the new template with all pods ready."""
    seen, order = manifests.settled(OLD), []
    for component in COMPONENTS:
        order.append(images(NEW, seen))
        seen = with_programs(seen, NEW, **{component: {}})

    assert order == [
        expect("task"),
        expect("task", "logic"),
        expect("task", "logic", "api"),
        expect("task", "logic", "api", "connect"),
    ]
    assert images(NEW, seen) == expect(*COMPONENTS)


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 1},
        {"updatedReplicas": 1},
        {"readyReplicas": 1},
        {"replicas": 3},
    ],
)
def test_the_gate_closes_at_the_first_that_has_not_arrived(status: dict[str, int]) -> None:
    """An image that does not start stops there; the others go on as they were."""
    seen = with_programs(manifests.settled(OLD), NEW, task={}, logic=status)

    assert images(NEW, seen) == expect("task", "logic")
    assert rollout.waiting(NEW, desired.children(NEW, manifests.CONTEXT), seen) == ["api", "connect"]


def test_setting_it_back_heals() -> None:
    """The first component gets its old template back; those that waited have it still, and none of them moves."""
    seen = with_programs(manifests.settled(OLD), NEW, task={"readyReplicas": 0})

    assert images(OLD, seen) == expect(old="old")
    assert rollout.waiting(OLD, desired.children(OLD, manifests.CONTEXT), seen) == []


def test_a_new_spec_restarts_the_order() -> None:
    """Half of them run the last spec's template: task is first again, and each keeps what it has until its turn."""
    newer = manifests.chatcluster({"image": "newer"})
    seen = with_programs(manifests.settled(OLD), NEW, task={}, logic={})

    assert images(newer, seen) == {"task": "newer", "logic": "new", "api": "old", "connect": "old"}


def test_a_component_that_waits_is_scaled_all_the_same() -> None:
    """It keeps its pod template and what says so; its replicas, labels and the rest are the spec's."""
    seen = manifests.settled(OLD)
    wanted = desired.children(NEW, manifests.CONTEXT)
    key = "Deployment", "demo-connect"

    gated = manifests.by_key(rollout.gated(NEW, wanted, seen))[key]

    assert gated["spec"]["replicas"] == 5
    assert gated["spec"]["template"] == seen.children[key]["spec"]["template"]
    live = seen.children[key]
    assert observed.annotation(gated, names.TEMPLATE_HASH) == observed.annotation(live, names.TEMPLATE_HASH)
    assert gated["spec"].keys() == manifests.by_key(wanted)[key]["spec"].keys()


def test_a_component_whose_template_is_the_same_does_not_wait() -> None:
    """A setting of the gateways alone does not have to wait for anybody, unless somebody before them is not ready."""
    cluster = manifests.chatcluster({"image": "old", "connect": {"maxConnections": 7}})
    wanted = desired.children(cluster, manifests.CONTEXT)

    assert rollout.waiting(cluster, wanted, manifests.settled(OLD)) == []
    unready = with_programs(manifests.settled(OLD), OLD, api={"readyReplicas": 0})
    assert rollout.waiting(cluster, wanted, unready) == ["connect"]


@pytest.mark.parametrize("deleted", COMPONENTS)
def test_a_deleted_component_is_made_anew_at_once(deleted: str) -> None:
    """There is nothing of it that a new template could hurt; but those after it wait until it has arrived."""
    found = dict(manifests.settled(OLD).children)
    del found["Deployment", f"demo-{deleted}"]

    assert images(NEW, Observed(children=found)) == expect("task", deleted)


def test_everything_else_passes_unchanged() -> None:
    """The same objects, in the same order: only templates of Deployments are held back."""
    wanted = desired.children(NEW, manifests.CONTEXT)

    gated = rollout.gated(NEW, wanted, manifests.settled(OLD))

    kept = [after is before for after, before in zip(gated, wanted, strict=True) if before["kind"] != "Deployment"]
    assert all(kept)
    assert [observed.key_of(after) for after in gated] == [observed.key_of(before) for before in wanted]


def test_without_children_nobody_waits() -> None:
    """A Secret may be missing, so that nothing could be built."""
    assert rollout.gated(OLD, [], manifests.settled(OLD)) == []
    assert rollout.waiting(OLD, [], manifests.settled(OLD)) == []
