from dataclasses import replace

import pytest

from chatcluster_operator import errors, status
from chatcluster_operator.names import Manifest
from support import manifests
from support.manifests import NOW, container_status
from support.views import conditions, short, view, waiting, with_pods, with_status

QUOTA = 'pods "demo-api-7" is forbidden: exceeded quota: small'


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
