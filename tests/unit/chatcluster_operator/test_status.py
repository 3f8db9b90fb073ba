import copy
from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator import desired, errors, names, status
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Key, Observed
from chatcluster_operator.spec import COMPONENTS
from chatcluster_operator.status import View
from support import crd, manifests
from support.manifests import LATER, NOW, container_status

TYPES = ["Ready", "Progressing", "Degraded", "RedisReady", "Paused"]
SCALED = {"connect": {"autoscaling": {"maxReplicas": 9}}}
QUOTA = 'pods "demo-api-7" is forbidden: exceeded quota: small'


def view(spec: dict[str, Any] | None = None, **metadata: Any) -> View:
    """Return the view of a ChatCluster that has settled."""
    cluster = manifests.chatcluster(spec, **metadata)
    wanted = desired.children(cluster, manifests.CONTEXT)
    return View(cluster, wanted, manifests.settled(cluster), image="chatcluster/services:1.2.3")


def with_status(given: View, component: str, **counts: Any) -> View:
    """Return a view in which one program's status differs."""
    key: Key = ("StatefulSet" if component == names.REDIS else "Deployment", names.child(given.cluster, component))
    found = copy.deepcopy(dict(given.seen.children))
    found[key]["status"] |= counts
    return replace(given, seen=replace(given.seen, children=found))


def with_pods(given: View, *pods: Manifest) -> View:
    """Return a view with these pods."""
    return replace(given, seen=replace(given.seen, pods=pods))


def conditions(given: View) -> dict[str, tuple[str, str, str]]:
    """Return status, reason and message of each condition."""
    told = status.status(given, {}, NOW)["conditions"]
    return {one["type"]: (one["status"], one["reason"], one["message"]) for one in told}


def short(given: View) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {name: told[:2] for name, told in conditions(given).items()}


def waiting(image: str = "ImagePullBackOff") -> Manifest:
    """Return a pod of api whose image cannot be had."""
    return manifests.pod("api", container_status(waiting={"reason": image, "message": "no such image"}))


def test_a_settled_cluster_is_ready() -> None:
    """All conditions are told, each with its generation."""
    told = status.status(view(generation=4), {}, NOW)

    assert [one["type"] for one in told["conditions"]] == TYPES
    assert {one["type"]: one["status"] for one in told["conditions"]} == dict(
        zip(TYPES, ["True", "False", "False", "True", "False"], strict=True)
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


def test_pause_is_told() -> None:
    """And hides nothing of what is wrong."""
    given = with_status(view(paused="true"), "api", readyReplicas=1)

    assert short(view())["Paused"] == ("False", "NotPaused")
    assert short(given)["Paused"] == ("True", "Annotated")
    assert short(given)["Ready"] == ("False", "Progressing")


@pytest.mark.parametrize(
    ("pod", "reason", "message"),
    [
        (waiting(), "ImagePullBackOff", "pod demo-api-x: no such image (image chatcluster/services:1.2.3)"),
        (
            manifests.pod("connect", container_status(terminated={"exitCode": 3, "reason": "Error"})),
            "Error",
            "pod demo-connect-x: ended with exit code 3 (Error)",
        ),
        (
            manifests.pod(
                "task",
                {
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "-"}
                    ]
                },
            ),
            "Unschedulable",
            "pod demo-task-x: -",
        ),
        (
            manifests.pod("redis", container_status(waiting={"reason": "ErrImagePull", "message": "no"})),
            "ErrImagePull",
            "pod demo-redis-x: no (image chatcluster/services:1.2.3)",
        ),
    ],
)
def test_a_failing_pod_is_named(pod: Manifest, reason: str, message: str) -> None:
    """Ready and Degraded have its reason, and its name in the message."""
    told = conditions(with_pods(view(), pod))

    assert told["Degraded"] == ("True", reason, message)
    assert told["Ready"] == ("False", reason, message)


def test_one_pod_of_a_program_speaks_for_all() -> None:
    """A hundred gateways without an image are one problem; the problems of two programs are two."""
    pods = [
        replace_name(waiting(), "demo-api-b"),
        replace_name(waiting(), "demo-api-a"),
        manifests.pod("logic", container_status(waiting={"reason": "ErrImagePull", "message": "no"})),
    ]

    _, reason, message = conditions(with_pods(view(), *pods))["Degraded"]

    assert reason == "ErrImagePull"
    assert message == (
        "pod demo-logic-x: no (image chatcluster/services:1.2.3); "
        "pod demo-api-a: no such image (image chatcluster/services:1.2.3)"
    )


def replace_name(pod: Manifest, name: str) -> Manifest:
    """Return the same pod by another name."""
    return {**pod, "metadata": {**pod["metadata"], "name": name}}


def test_pods_that_go_are_no_problem() -> None:
    """A rollout that was set back takes its failing pods with it."""
    going = waiting()
    going["metadata"]["deletionTimestamp"] = NOW

    assert short(with_pods(view(), going))["Degraded"] == ("False", "NoProblem")


@pytest.mark.parametrize(
    "condition",
    [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA},
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "has timed out"},
    ],
)
def test_what_a_deployment_complains_of_is_passed_on(condition: dict[str, str]) -> None:
    """A quota keeps pods from being made, so that no pod could say so; and pods that run may never become ready."""
    told = conditions(with_status(view(), "api", conditions=[condition]))

    assert told["Degraded"] == ("True", condition["reason"], f"demo-api: {condition['message']}")


@pytest.mark.parametrize(
    ("kind", "state"), [("ReplicaFailure", "False"), ("Progressing", "True"), ("Available", "False")]
)
def test_what_is_no_complaint_is_not(kind: str, state: str) -> None:
    """The other conditions of a Deployment are told by its counts."""
    condition = {"type": kind, "status": state, "reason": "Any", "message": "any"}

    assert short(with_status(view(), "api", conditions=[condition]))["Degraded"] == ("False", "NoProblem")


def test_an_unknown_storage_class_is_named() -> None:
    """Kubernetes itself only lets the pod wait."""
    given = view()
    told = conditions(replace(given, seen=replace(given.seen, unknown_storage_class="fast")))

    assert told["Degraded"][:2] == ("True", "UnknownStorageClass")
    assert told["Ready"][:2] == ("False", "UnknownStorageClass")
    assert "'fast'" in told["Degraded"][2]


def test_what_could_not_be_done_comes_first() -> None:
    """A failure of the operator explains more than what follows from it."""
    foreign = errors.Foreign("Service demo-api exists and does not belong to this ChatCluster: rename or delete it")
    told = conditions(replace(with_pods(view(), waiting()), failures=[foreign]))

    assert told["Ready"] == ("False", "ForeignObject", str(foreign))
    assert told["Degraded"][:2] == ("True", "ForeignObject")
    assert told["Degraded"][2].startswith(f"{foreign}; pod demo-api-x: ")


def test_a_missing_secret_is_told_though_nothing_could_be_built() -> None:
    """What runs goes on being counted."""
    missing = errors.MissingSecret("spec.redis.external.urlSecretRef names Secret my-redis, which does not exist")
    given = replace(view(dict(manifests.EXTERNAL)), desired=(), failures=[missing])

    told = status.status(given, {}, NOW)

    assert conditions(given)["Ready"] == ("False", "MissingSecret", str(missing))
    assert conditions(given)["Degraded"][:2] == ("True", "MissingSecret")
    assert told["components"]["api"]["ready"] == 2


def test_problems_do_not_make_a_message_too_long() -> None:
    """The API server refuses a status with a message above its bound; the beginning is what matters."""
    failures = [errors.Rejected(f"{number}: {'x' * 1000}") for number in range(100)]

    told = status.status(replace(view(), failures=failures), {}, NOW)["conditions"]

    assert max(len(one["message"]) for one in told) == status.MESSAGE_LENGTH
    assert told[2]["message"].startswith("0: x")


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
