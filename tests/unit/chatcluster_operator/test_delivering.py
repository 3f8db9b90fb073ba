"""What the operator makes of the synthetic user's report, and when a rollout may go on."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator import delivering, names
from chatcluster_operator.observed import Observed
from support import manifests
from support.manifests import LATER, NOW, answer, container_status, nested

CLUSTER = manifests.chatcluster()
REPORT, PROGRAM = ("ConfigMap", "demo-synthetic"), ("Deployment", "demo-synthetic")
TASK, LOGIC = {"task": "1"}, {"task": "1", "logic": "1"}
API = {**LOGIC, "api": "1"}


def seen(data: dict[str, str] | None = None, **status: Any) -> Observed:
    """Return what there is when the synthetic user has written this, and its Deployment has this status."""
    found = copy.deepcopy(dict(manifests.settled(CLUSTER).children))
    if data is not None:
        found[REPORT]["data"] = data
    found[PROGRAM]["status"] |= status
    return Observed(children=found)


def said(question: str, culprit: str = "") -> Observed:
    """Return what there is when a question was answered."""
    return seen({"question": question, **answer(question, culprit)})


def test_messages_arrive() -> None:
    """What the synthetic user says while all is well."""
    told = delivering.verdict(CLUSTER, seen())

    assert told
    assert (told.delivering, told.reason) == (True, "Delivered")


@pytest.mark.parametrize(
    ("culprit", "reason"),
    [
        ("task", "TaskAtFault"),
        ("logic", "LogicAtFault"),
        ("Redis", "RedisAtFault"),
        ("api", "ApiAtFault"),
        ("gateway 10.0.0.1:7000", "GatewayAtFault"),
        ("moon", "NotDelivered"),
    ],
)
def test_who_is_to_blame_is_named(culprit: str, reason: str) -> None:
    """In the reason for programs, in the message for people; a part that this version does not know is passed on."""
    told = delivering.verdict(CLUSTER, said("", culprit))

    assert told == delivering.Verdict(False, reason, f"{culprit}: does not work", culprit.partition(" ")[0])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (seen({"question": ""}), "NotYetKnown"),
        (seen({"question": "task=2", **answer("task=1")}), "Judging"),
        (seen({"question": "task=2", **answer("task=1", "task")}), "Judging"),
        (seen(readyReplicas=0), "SyntheticUserNotReady"),
        (Observed(), "SyntheticUserNotReady"),
    ],
)
def test_what_is_not_known_is_unknown(given: Observed, reason: str) -> None:
    """Too little was sent, the question is newer than the answer, or nobody is there to answer."""
    told = delivering.verdict(CLUSTER, given)

    assert told
    assert (told.delivering, told.reason) == (None, reason)


def test_a_change_of_its_deployment_makes_nothing_unknown() -> None:
    """Every annotation is one, and its pod still speaks."""
    told = delivering.verdict(CLUSTER, seen(observedGeneration=0))

    assert told
    assert told.delivering


def test_why_the_synthetic_user_does_not_run_is_told() -> None:
    """As of any pod."""
    pod = manifests.pod(names.SYNTHETIC, container_status(waiting={"reason": "ErrImagePull", "message": "no image"}))
    told = delivering.verdict(CLUSTER, replace(seen(readyReplicas=0), pods=(pod,)))

    assert told
    assert "no image" in told.message


def test_there_is_no_verdict_where_nobody_judges() -> None:
    """And nobody waits for one."""
    off = manifests.chatcluster(nested("monitoring.syntheticUser.enabled", False))

    assert delivering.verdict(off, manifests.settled(off)) is None
    assert delivering.lets_on(off, manifests.settled(off), TASK)


@pytest.mark.parametrize(
    ("given", "arrived", "goes_on"),
    [
        (said("task=1"), TASK, True),
        (said("task=1"), LOGIC, False),
        (said("task=2"), TASK, False),
        (said("task=1 logic=1 api=1 connect=1"), LOGIC, True),
        (seen({"question": "task=1", **answer("")}), TASK, False),
        (seen(readyReplicas=0), TASK, False),
        (said("", "task"), {}, True),
    ],
)
def test_a_rollout_goes_on_by_what_was_learnt_since(given: Observed, arrived: dict[str, str], goes_on: bool) -> None:
    """Messages arrive, by exactly these templates; the first component waits for nothing."""
    assert delivering.lets_on(CLUSTER, given, arrived) is goes_on


@pytest.mark.parametrize(
    ("culprit", "goes_on_after"),
    [
        ("task", ""),
        ("logic", "task"),
        ("Redis", "task"),
        ("api", "task logic"),
        ("gateway 10.0.0.1:7000", "task logic api"),
        ("moon", ""),
    ],
)
def test_it_stops_where_the_blame_is_on_what_is_new(culprit: str, goes_on_after: str) -> None:
    """What is broken and has yet to be replaced may be what the rollout repairs."""
    found = {
        list(arrived)[-1]
        for arrived in (TASK, LOGIC, API)
        if delivering.lets_on(CLUSTER, said("task=1 logic=1 api=1", culprit), arrived)
    }

    assert found == set(goes_on_after.split())


def test_nobody_waits_for_ever_for_who_does_not_run() -> None:
    """After two minutes without a verdict a rollout goes on; a verdict that is there counts all the same."""
    unready, blamed = (replace(one, is_out_of_patience=True) for one in (seen(readyReplicas=0), said("task=1", "task")))

    assert delivering.lets_on(CLUSTER, unready, TASK)
    assert not delivering.lets_on(CLUSTER, blamed, TASK)


@pytest.mark.parametrize(
    ("kind", "status", "now", "is_out"),
    [
        ("Delivering", "Unknown", LATER, True),
        ("Delivering", "Unknown", NOW, False),
        ("Delivering", "Unknown", "2026-11-01T12:01:59Z", False),
        ("Delivering", "Unknown", "2026-11-01T12:02:00Z", True),
        ("Delivering", "False", LATER, False),
        ("Ready", "Unknown", LATER, False),
    ],
)
def test_patience_is_counted_from_when_it_became_unknown(kind: str, status: str, now: str, is_out: bool) -> None:
    """By the condition's own time."""
    conditions = [{"type": kind, "status": status, "lastTransitionTime": NOW}]

    assert delivering.is_out_of_patience(conditions, now, 5) is is_out
    assert not delivering.is_out_of_patience([], now, 5)


@pytest.mark.parametrize(("now", "is_out"), [("2026-11-01T12:07:59Z", False), ("2026-11-01T12:08:00Z", True)])
def test_patience_lasts_for_messages_that_are_rare(now: str, is_out: bool) -> None:
    """Or a question would hardly be answered in time."""
    conditions = [{"type": "Delivering", "status": "Unknown", "lastTransitionTime": NOW}]

    assert delivering.is_out_of_patience(conditions, now, 60) is is_out


@pytest.mark.parametrize(
    ("live", "watched", "asked"),
    [
        ("task=1", {}, "task=1"),
        ("task=1", TASK, "task=1"),
        ("task=1", LOGIC, "task=1 logic=1"),
        ("task=2 logic=1", LOGIC, "task=1 logic=1"),
        ("task=1 logic=1 api=1 connect=1", LOGIC, "task=1 logic=1 api=1 connect=1"),
    ],
)
def test_what_was_asked_is_not_asked_again(live: str, watched: dict[str, str], asked: str) -> None:
    """In the steady state the question stays, whatever it was."""
    assert delivering.question(CLUSTER, said(live), watched, API) == asked


def test_the_first_question_is_about_all_that_is_there() -> None:
    """So that what is changed alone later need not wait for it."""
    assert delivering.question(CLUSTER, Observed(), {}, LOGIC) == "task=1 logic=1"
