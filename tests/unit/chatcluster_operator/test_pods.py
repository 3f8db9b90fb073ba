from typing import Any

import pytest

from chatcluster_operator import pods
from chatcluster_operator.pods import Problem
from support import manifests
from support.manifests import container_status

UNSCHEDULABLE = "0/3 nodes are available: 3 Insufficient memory."


def problem(status: dict[str, Any]) -> Problem | None:
    """Return what is wrong with a pod called `demo-api-x`."""
    return pods.problem(manifests.pod("api", status))


@pytest.mark.parametrize(
    "status",
    [
        container_status(running={"startedAt": manifests.NOW}),
        container_status(waiting={"reason": "ContainerCreating"}),
        container_status(waiting={"reason": "PodInitializing"}),
        container_status(waiting={}),
        {"phase": "Pending"},
        {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    ],
)
def test_a_pod_that_runs_or_is_about_to_has_no_problem(status: dict[str, Any]) -> None:
    """Nor has one of which nothing is known yet."""
    assert problem(status) is None


def test_an_unschedulable_pod_says_what_the_scheduler_says() -> None:
    """The scheduler's words name the resource that is short."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": UNSCHEDULABLE}

    assert problem({"conditions": [condition]}) == Problem("Unschedulable", f"pod demo-api-x: {UNSCHEDULABLE}")


@pytest.mark.parametrize(
    "reason", ["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError"]
)
def test_a_container_that_waits_says_for_what(reason: str) -> None:
    """The reason is Kubernetes' own, and the message has the image, for which it often is."""
    told = problem(container_status(waiting={"reason": reason, "message": "not found"}))

    assert told == Problem(reason, "pod demo-api-x: not found (image chatcluster/services:1.2.3)")


def test_a_waiting_container_without_words_gives_its_reason() -> None:
    """A message never ends in nothing."""
    told = problem(container_status(waiting={"reason": "CreateContainerError"}))

    assert told
    assert told.message == "pod demo-api-x: CreateContainerError (image chatcluster/services:1.2.3)"


def crash_loop(**last: Any) -> dict[str, Any]:
    """Return the status of a pod that waits to be started for the eighth time."""
    status = container_status(waiting={"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed"})
    status["containerStatuses"][0] |= {"restartCount": 7, "lastState": {"terminated": last} if last else {}}
    return status


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ({"exitCode": 2, "reason": "Error"}, "ended with exit code 2 (Error), restarted 7 times"),
        ({"exitCode": 137, "reason": "OOMKilled"}, "ended with exit code 137 (OOMKilled), restarted 7 times"),
        (
            {"exitCode": 2, "reason": "Error", "message": "CHATCLUSTER_API_PORT is 'x'\n"},
            "ended with exit code 2 (Error): CHATCLUSTER_API_PORT is 'x', restarted 7 times",
        ),
        ({}, "ended with exit code ? (Error), restarted 7 times"),
    ],
)
def test_a_crash_loop_says_how_it_ended(last: dict[str, Any], message: str) -> None:
    """The exit code, and the program's own last words where it left some: not how long the pause is."""
    assert problem(crash_loop(**last)) == Problem("CrashLoopBackOff", f"pod demo-api-x: {message}")


def test_a_container_that_has_just_ended_says_so() -> None:
    """Before it is started again for the first time there is no crash loop yet."""
    told = problem(container_status(terminated={"exitCode": 1, "reason": "Error"}))

    assert told == Problem("Error", "pod demo-api-x: ended with exit code 1 (Error)")


def test_a_container_between_two_crashes_is_no_recovery() -> None:
    """It runs, and is not ready yet; once it is, its past is nobody's business."""
    status = container_status(running={})
    status["containerStatuses"][0] |= {"restartCount": 2, "lastState": {"terminated": {"exitCode": 1}}}

    told = problem({**status, "containerStatuses": [{**status["containerStatuses"][0], "ready": False}]})

    assert told == Problem("Restarting", "pod demo-api-x: ended with exit code 1 (Error), restarted 2 times")
    assert problem({**status, "containerStatuses": [{**status["containerStatuses"][0], "ready": True}]}) is None


def test_the_first_container_with_a_problem_is_told_of() -> None:
    """Others may add containers to a pod: ours is not always the first one."""
    status = container_status(running={})
    status["containerStatuses"] += crash_loop(exitCode=1, reason="Error")["containerStatuses"]

    told = problem(status)

    assert told
    assert told.reason == "CrashLoopBackOff"
