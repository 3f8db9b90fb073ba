import copy
from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator import errors, names, rollout, status
from chatcluster_operator.observed import Observed
from chatcluster_operator.spec import COMPONENTS
from chatcluster_operator.status import View
from support import crd, manifests
from support.manifests import LATER, NOW
from support.views import conditions, short, view, waiting, with_answer, with_pods, with_status

TYPES = ["Ready", "Progressing", "Degraded", "RedisReady", "Delivering", "Paused"]
SCALED = {"connect": {"autoscaling": {"maxReplicas": 9}}}


def test_a_settled_cluster_is_ready() -> None:
    """All conditions are told, each with its generation."""
    told = status.status(view(generation=4), {}, NOW)

    assert [one["type"] for one in told["conditions"]] == TYPES
    assert {one["type"]: one["status"] for one in told["conditions"]} == dict(
        zip(TYPES, ["True", "False", "False", "True", "True", "False"], strict=True)
    )
    assert {one["observedGeneration"] for one in told["conditions"]} == {told["observedGeneration"]} == {4}


def test_a_new_cluster_waits_for_everything() -> None:
    """By the names that people know: the gateways are the program connect."""
    told = conditions(replace(view(), seen=Observed()))

    assert told["Ready"] == ("False", "Progressing", "waiting for Redis, task, logic, api, gateways")
    assert told["Progressing"] == ("True", "RollingOut", "waiting for Redis, task, logic, api, gateways")
    assert told["RedisReady"][:2] == ("False", "NotReady")
    assert told["Degraded"][:2] == ("False", "NoProblem")


@pytest.mark.parametrize(
    ("component", "title"),
    [("redis", "Redis"), ("task", "task"), ("logic", "logic"), ("api", "api"), ("connect", "gateways")],
)
def test_whatever_is_not_ready_is_waited_for(component: str, title: str) -> None:
    """One pod of one program is enough."""
    told = conditions(with_status(view(), component, readyReplicas=0))

    assert told["Ready"] == ("False", "Progressing", f"waiting for {title}")
    assert told["Progressing"][:2] == ("True", "RollingOut")
    assert (told["RedisReady"][0] == "False") is (component == "redis")


def test_a_rollout_says_whose_turn_comes_next() -> None:
    """Those that keep their old template until then are not lost."""
    new = view({"image": "new"})
    told = conditions(replace(new, seen=view().seen))

    assert told["Progressing"][2] == "waiting for task, logic, api, gateways; next: logic, api, connect"


def test_children_without_pods_are_waited_for_last() -> None:
    """Ready is not said before the last Service was applied and seen."""
    given = replace(view(), pending=[("Service", "demo-api")])

    assert conditions(given)["Ready"] == ("False", "Progressing", "waiting for Service demo-api")
    unready = with_status(given, "api", readyReplicas=1)
    assert conditions(unready)["Ready"][2] == "waiting for api"


def test_an_external_redis_is_not_waited_for() -> None:
    """Nobody here runs it: there is no StatefulSet to look at."""
    told = short(view(dict(manifests.EXTERNAL)))

    assert told["Ready"] == ("True", "AllReady")
    assert told["RedisReady"] == ("True", "External")


def test_delivery_is_told() -> None:
    """Who is to blame stands in its own condition, and in the summary: clients are not served."""
    told = conditions(with_answer(view(), "task"))

    assert told["Delivering"] == ("False", "TaskAtFault", "task: does not work")
    assert told["Ready"] == ("False", "TaskAtFault", "task: does not work")
    assert told["Degraded"] == ("True", "TaskAtFault", "task: does not work")


def test_what_is_not_known_of_delivery_hinders_nothing() -> None:
    """A ChatCluster is ready before its first message was sent, and without a synthetic user."""
    told = short(with_status(view(), "synthetic", readyReplicas=0))

    assert told["Delivering"] == ("Unknown", "SyntheticUserNotReady")
    assert told["Ready"] == ("True", "AllReady")
    assert "Delivering" not in short(view({"monitoring": {"syntheticUser": {"enabled": False}}}))


def test_a_rollout_that_waits_for_messages_says_so() -> None:
    """And one that stops says at whom, why, and how to have it go on."""
    new = view({"image": "new"})
    arrived = {key: child for key, child in new.seen.children.items() if key[1] == "demo-task"}
    waits = replace(new, seen=replace(view().seen, children={**view().seen.children, **arrived}))
    stopped = with_answer(waits, "task", rollout.turn(waits.cluster, waits.desired, waits.seen).watched)

    assert conditions(waits)["Progressing"][2].endswith("when messages are seen to arrive after the change of task")
    assert conditions(waits)["Degraded"][:2] == ("False", "NoProblem")
    status, reason, message = conditions(stopped)["Degraded"]
    assert (status, reason) == ("True", "RolloutStopped")
    assert message.startswith("the rollout stops after task,")
    assert message.endswith("task: does not work")


def test_pause_is_told() -> None:
    """And hides nothing of what is wrong."""
    given = with_status(view(paused="true"), "api", readyReplicas=1)

    assert short(view())["Paused"] == ("False", "NotPaused")
    assert short(given)["Paused"] == ("True", "Annotated")
    assert short(given)["Ready"] == ("False", "Progressing")


def test_times_move_only_with_the_status() -> None:
    """Another reason or message is no transition: whoever waits reads since when it has not been ready."""
    first = status.status(view(), {}, NOW)
    broken = status.status(with_pods(view(), waiting()), first, LATER)
    still = status.status(with_pods(view(), waiting("ErrImagePull")), broken, "2026-11-01T13:00:00Z")

    def times(told: dict[str, Any]) -> dict[str, str]:
        return {one["type"]: one["lastTransitionTime"] for one in told["conditions"]}

    assert set(times(first).values()) == {NOW}
    assert times(broken) == {**times(first), "Ready": LATER, "Degraded": LATER}
    assert times(still) == times(broken)
    assert still["conditions"][0]["reason"] == "ErrImagePull"


@pytest.mark.parametrize("given", [view(), with_pods(view(), waiting()), replace(view(), seen=Observed())])
def test_the_same_view_says_the_same(given: View) -> None:
    """Nothing is written in the steady state, and the clock is no news."""
    first = status.status(given, {}, NOW)

    assert status.status(given, first, LATER) == first


def test_counts_and_addresses() -> None:
    """What printer columns, the scale subresource and people read."""
    given = with_status(view({"connect": {"replicas": 3}}), "connect", readyReplicas=2, updatedReplicas=1, replicas=4)
    told = status.status(given, {}, NOW)

    assert told["components"]["connect"] == {
        "desired": 3,
        "scaledBy": "Spec",
        "replicas": 4,
        "updated": 1,
        "ready": 2,
        "summary": "2/3",
        "image": "chatcluster/services:1.2.3",
    }
    assert told["components"].keys() == {"task", "logic", "api", "connect"}
    assert told["selector"] == ",".join(
        f"{name}={value}" for name, value in names.selector(given.cluster, "connect").items()
    )
    assert told["endpoints"].keys() == {"api", "websocket", "tcp"}
    assert told["version"] == "1.2.3"


def test_an_autoscaler_scales() -> None:
    """Each program tells who says how many pods it has."""
    told = status.status(view(SCALED), {}, NOW)["components"]

    assert {component: told[component]["scaledBy"] for component in COMPONENTS} == {
        **dict.fromkeys(COMPONENTS, "Spec"),
        "connect": "Autoscaler",
    }


def test_pods_that_an_autoscaler_left_behind_are_told_of() -> None:
    """They are not what the spec says, and yet all is well: whoever reads that it is ready learns what to do."""
    before, given, key = view(SCALED), view(), ("Deployment", "demo-connect")
    left = copy.deepcopy(before.seen.children[key])
    left["spec"]["replicas"] = 5
    left["status"] |= manifests.complete(5)
    given = replace(given, seen=replace(given.seen, children={**given.seen.children, key: left}))

    assert status.status(given, {}, NOW)["components"]["connect"]["scaledBy"] == "Kept"
    assert conditions(given)["Ready"][:2] == ("True", "AllReady")
    assert "gateways: 5 pods stay" in conditions(given)["Ready"][2]
    assert "spec.connect.replicas" in conditions(given)["Ready"][2]
    assert "stay" not in conditions(before)["Ready"][2] + conditions(view())["Ready"][2]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("chatcluster/services:1.2.3", "1.2.3"),
        ("registry.example.com:5000/chatcluster/services:1.2.3", "1.2.3"),
        ("registry.example.com:5000/chatcluster/services", "latest"),
        ("services", "latest"),
        ("services:1.2.3@sha256:0123", "sha256:0123"),
    ],
)
def test_the_version_is_the_images(image: str, version: str) -> None:
    """Its tag, which is not the port of its registry; a digest says more."""
    assert status.version_of(image) == version


@pytest.mark.parametrize(
    ("spec", "component", "answers"),
    [
        ({}, "redis", False),
        ({}, "logic", True),
        (dict(manifests.EXTERNAL), "logic", False),
        (dict(manifests.EXTERNAL), "api", True),
    ],
)
def test_whether_redis_answers(spec: dict[str, Any], component: str, answers: bool) -> None:
    """The managed one says so itself; of an external one logic does, which is not ready before."""
    given = with_status(view(spec), component, readyReplicas=0)

    assert status.status(given, {}, NOW)["redis"] == {"ready": answers}


def test_tcp_that_is_off_has_no_address() -> None:
    """Nobody could reach it."""
    told = status.status(view({"connect": {"tcp": {"enabled": False}}}), {}, NOW)

    assert told["endpoints"].keys() == {"api", "websocket"}


def test_a_program_that_is_not_there_counts_nothing() -> None:
    """And has no image."""
    told = status.status(replace(view(), seen=Observed()), {}, NOW)["components"]["api"]

    counts = dict.fromkeys(("desired", "replicas", "ready", "updated"), 0)
    assert told == {**counts, "scaledBy": "Spec", "summary": "0/0", "image": ""}


def test_an_invalid_spec_keeps_what_is_known() -> None:
    """Programs go on running as they were; only the spec cannot be read."""
    before = status.status(view(), {}, NOW)
    problem = errors.InvalidSpec("Expected `int`, got `str` - at `spec.shards`")

    told = status.of_invalid(manifests.resource(generation=2), problem, before, LATER)

    ready, progressing, degraded, *_ = told["conditions"]
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "InvalidSpec", str(problem))
    assert (degraded["status"], degraded["reason"], degraded["lastTransitionTime"]) == ("True", "InvalidSpec", LATER)
    assert progressing == before["conditions"][1]
    assert told["components"] == before["components"]
    assert told["observedGeneration"] == ready["observedGeneration"] == 2


def test_an_invalid_spec_is_told_once() -> None:
    """The same thing said again is not written; nor is the order of conditions anything new."""
    problem = errors.InvalidSpec("no")
    for before in ({}, status.status(view(), {}, NOW)):
        first = status.of_invalid(manifests.resource(), problem, before, NOW)

        assert status.of_invalid(manifests.resource(), problem, first, LATER) == first


@pytest.mark.parametrize(
    "told",
    [
        status.status(view(dict(manifests.EVERYTHING)), {}, NOW),
        status.status(replace(view(), seen=Observed()), {}, NOW),
        status.of_invalid(manifests.resource(), errors.InvalidSpec("no"), {}, NOW),
    ],
)
def test_the_api_server_keeps_all_of_it(told: dict[str, Any]) -> None:
    """What the schema does not know would be dropped, and written again at every look."""
    assert crd.problems(told, crd.schema()["properties"]["status"]) == []
