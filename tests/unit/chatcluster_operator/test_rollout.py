from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator import desired, names, observed, rollout
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.spec import COMPONENTS, ChatCluster
from support import manifests

OLD = manifests.chatcluster({"image": "old"})
REPORT = ("ConfigMap", "demo-synthetic")
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


def answered(cluster: ChatCluster, seen: Observed, culprit: str = "") -> Observed:
    """Return what there is after the operator has asked what it asks now, and was answered."""
    found = dict(seen.children)
    [report] = [one for one in rollout.gated(cluster, wanted(cluster), seen) if observed.key_of(one) == REPORT]
    question = report["data"]["question"]
    found[REPORT] = {**found[REPORT], "data": {"question": question, **manifests.answer(question, culprit)}}
    return Observed(children=found)


def wanted(cluster: ChatCluster) -> list[Manifest]:
    """Return all that a ChatCluster should have."""
    return desired.children(cluster, manifests.CONTEXT)


def waiting(cluster: ChatCluster, seen: Observed) -> list[str]:
    """Return who has to wait, but for the synthetic user."""
    return [component for component in rollout.turn(cluster, wanted(cluster), seen).waiting if component in COMPONENTS]


def test_first_creation_is_not_gated() -> None:
    """Nothing runs that could suffer: all are made at once."""
    assert images(NEW, Observed()) == expect(*COMPONENTS)


def test_one_component_at_a_time() -> None:
    """task, logic, api, connect: each as soon as the one before it runs the new template with all pods ready."""
    seen, order = manifests.settled(OLD), []
    for component in COMPONENTS:
        order.append(images(NEW, seen))
        seen = with_programs(seen, NEW, **{component: {}})
        seen = answered(NEW, seen)

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
    assert waiting(NEW, seen) == ["api", "connect"]
    assert rollout.turn(NEW, wanted(NEW), seen).watched == {}


def test_the_next_one_waits_until_messages_arrive() -> None:
    """Pods that are ready are not enough: the operator asks, and waits for an answer to just that."""
    seen = with_programs(manifests.settled(OLD), NEW, task={})
    before = images(NEW, seen)
    watched = rollout.turn(NEW, wanted(NEW), seen).watched

    assert before == expect("task")
    assert list(watched) == ["task"]
    assert images(NEW, answered(NEW, seen)) == expect("task", "logic")


def test_it_stops_when_messages_do_not_arrive() -> None:
    """By whoever is new; when they do again it goes on."""
    seen = with_programs(manifests.settled(OLD), NEW, task={})
    stopped = answered(NEW, seen, "task")

    assert images(NEW, stopped) == expect("task")
    assert waiting(NEW, stopped) == ["logic", "api", "connect"]
    assert images(NEW, answered(NEW, stopped)) == expect("task", "logic")


def test_it_goes_on_to_repair_what_was_broken() -> None:
    """A cluster whose logic does not work gets its new logic."""
    broken = answered(OLD, manifests.settled(OLD), "logic")
    seen = answered(NEW, with_programs(broken, NEW, task={}), "logic")

    assert images(NEW, broken) == expect("task")
    assert images(NEW, seen) == expect("task", "logic")


def test_who_judges_comes_last() -> None:
    """It is the old one that judges what is new; and its own change waits for no verdict, only for the others."""
    seen = manifests.settled(OLD)

    assert rollout.turn(NEW, wanted(NEW), seen).waiting[-1] == "synthetic"
    seen = answered(NEW, with_programs(seen, NEW, task={}, logic={}, api={}, connect={}), "gateway a")
    assert rollout.turn(NEW, wanted(NEW), seen).waiting == ()


def test_the_question_stays_in_the_steady_state() -> None:
    """Whatever it was, and whoever is unready for a moment."""
    settled = manifests.settled(OLD)
    for seen in (settled, with_programs(settled, OLD, task={"readyReplicas": 0})):
        [report] = [one for one in rollout.gated(OLD, wanted(OLD), seen) if observed.key_of(one) == REPORT]
        assert report["data"]["question"] == settled.children[REPORT]["data"]["question"]


def test_what_was_learnt_of_a_template_does_not_answer_for_its_next_attempt() -> None:
    """When it was taken back, what is there is asked about; so it is asked about anew when it comes again."""
    stopped = answered(NEW, with_programs(manifests.settled(OLD), NEW, task={}), "task")
    back = answered(OLD, with_programs(stopped, OLD, task={}, logic={}, api={}, connect={}))

    again = with_programs(back, NEW, task={})
    again.children[REPORT]["data"] = back.children[REPORT]["data"]

    assert waiting(NEW, again) == ["logic", "api", "connect"]


def test_who_gets_a_new_secret_with_the_others_waits_for_pods_alone() -> None:
    """Task and gateways share one: until both have it nothing is delivered, and task is blamed for it."""
    drawn_anew = replace(manifests.CONTEXT, secrets=replace(manifests.CONTEXT.secrets, cluster="another"))
    programs = manifests.by_key(desired.children(OLD, drawn_anew))
    task = "Deployment", names.child(OLD, "task")
    settled = answered(OLD, manifests.settled(OLD), "task")
    seen = Observed(children={**settled.children, task: manifests.running(programs[task])})

    assert rollout.turn(OLD, list(programs.values()), seen).waiting[:2] == ("api", "connect")


def test_without_a_synthetic_user_pods_are_enough() -> None:
    """It can be turned off, which is also how to have a rollout go on that has stopped."""
    off = {"monitoring": {"syntheticUser": {"enabled": False}}}
    cluster = manifests.chatcluster({"image": "new", **off})
    seen = with_programs(answered(NEW, with_programs(manifests.settled(OLD), NEW, task={}), "task"), cluster, task={})

    assert images(cluster, seen) == expect("task", "logic")


def test_setting_it_back_heals() -> None:
    """The first component gets its old template back; those that waited have it still, and none of them moves."""
    seen = with_programs(manifests.settled(OLD), NEW, task={"readyReplicas": 0})

    assert images(OLD, seen) == expect(old="old")
    assert waiting(OLD, seen) == []


def test_a_new_spec_restarts_the_order() -> None:
    """Half of them run the last spec's template: task is first again, and each keeps what it has until its turn."""
    newer = manifests.chatcluster({"image": "newer"})
    seen = with_programs(manifests.settled(OLD), NEW, task={}, logic={})

    assert images(newer, seen) == {"task": "newer", "logic": "new", "api": "old", "connect": "old"}


def test_a_component_that_waits_is_scaled_all_the_same() -> None:
    """It keeps its pod template and what says so; its replicas, labels and the rest are the spec's."""
    seen = manifests.settled(OLD)
    key = "Deployment", "demo-connect"

    gated = manifests.by_key(rollout.gated(NEW, wanted(NEW), seen))[key]

    assert gated["spec"]["replicas"] == 5
    assert gated["spec"]["template"] == seen.children[key]["spec"]["template"]
    live = seen.children[key]
    assert observed.annotation(gated, names.TEMPLATE_HASH) == observed.annotation(live, names.TEMPLATE_HASH)
    assert gated["spec"].keys() == manifests.by_key(wanted(NEW))[key]["spec"].keys()


def test_a_component_whose_template_is_the_same_does_not_wait() -> None:
    """A setting of the gateways alone does not have to wait for anybody, unless somebody before them is not ready."""
    cluster = manifests.chatcluster({"image": "old", "connect": {"maxConnections": 7}})

    assert waiting(cluster, manifests.settled(OLD)) == []
    unready = with_programs(manifests.settled(OLD), OLD, api={"readyReplicas": 0})
    assert waiting(cluster, unready) == ["connect"]


@pytest.mark.parametrize("deleted", COMPONENTS)
def test_a_deleted_component_is_made_anew_at_once(deleted: str) -> None:
    """There is nothing of it that a new template could hurt; but those after it wait until it has arrived."""
    found = dict(manifests.settled(OLD).children)
    del found["Deployment", f"demo-{deleted}"]

    assert images(NEW, Observed(children=found)) == expect("task", deleted)


def test_everything_else_passes_unchanged() -> None:
    """The same objects, in the same order: only templates of Deployments are held back, and a question is asked."""
    before = wanted(NEW)

    gated = rollout.gated(NEW, before, manifests.settled(OLD))

    pairs = [(one, other) for one, other in zip(gated, before, strict=True) if one["kind"] != "Deployment"]
    assert all(one is other for one, other in pairs if observed.key_of(one) != REPORT)
    assert [observed.key_of(one) for one in gated] == [observed.key_of(one) for one in before]


def test_without_children_nobody_waits() -> None:
    """A Secret may be missing, so that nothing could be built."""
    assert rollout.gated(OLD, [], manifests.settled(OLD)) == []
    assert rollout.turn(OLD, [], manifests.settled(OLD)).waiting == ()
