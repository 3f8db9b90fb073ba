import re
from typing import Any

import pytest

from chatcluster_operator import events, kinds
from chatcluster_operator.names import Manifest
from support import manifests
from support.manifests import LATER, NOW

READY, UNREADY = ("Ready", "True", "AllReady"), ("Ready", "False", "Progressing")
BROKEN, FINE = ("Degraded", "True", "ImagePullBackOff"), ("Degraded", "False", "NoProblem")
ROLLING, STILL = ("Progressing", "True", "RollingOut"), ("Progressing", "False", "Complete")
ARRIVING, LOST = ("Delivering", "True", "Delivered"), ("Delivering", "False", "TaskAtFault")
WATCHED = ("Delivering", "Unknown", "Judging")
PAUSED, GOING_ON = ("Paused", "True", "Annotated"), ("Paused", "False", "NotPaused")

Said = tuple[str, str, str]


def status(*conditions: Said) -> dict[str, Any]:
    """Return a status with these conditions: type, status, reason."""
    return {
        "conditions": [
            {
                "type": kind,
                "status": state,
                "reason": reason,
                "message": f"{reason} happened",
                "lastTransitionTime": NOW,
            }
            for kind, state, reason in conditions
        ]
    }


def told(before: list[Said], after: list[Said], now: str = NOW) -> list[Manifest]:
    """Return the events of a transition."""
    return list(events.transitions(manifests.resource(), status(*before), status(*after), now))


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ([UNREADY, ROLLING, FINE], [READY, STILL, FINE], [("Normal", "AllReady")]),
        ([READY, FINE], [READY, BROKEN], [("Warning", "ImagePullBackOff")]),
        ([READY, STILL], [READY, ROLLING], [("Normal", "RollingOut")]),
        ([GOING_ON], [PAUSED], [("Normal", "Annotated")]),
        ([BROKEN], [("Degraded", "True", "Unschedulable")], [("Warning", "Unschedulable")]),
        ([ARRIVING], [LOST], [("Warning", "TaskAtFault")]),
        ([LOST], [ARRIVING], [("Normal", "Delivered")]),
        ([WATCHED], [ARRIVING], [("Normal", "Delivered")]),
    ],
)
def test_transitions_are_told(before: list[Said], after: list[Said], reasons: list[tuple[str, str]]) -> None:
    """By the condition's reason; what is wrong is a warning."""
    assert [(event["type"], event["reason"]) for event in told(before, after)] == reasons


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([READY, STILL, FINE, GOING_ON], [READY, STILL, FINE, GOING_ON]),
        ([BROKEN], [FINE]),
        ([ROLLING], [STILL]),
        ([PAUSED], [GOING_ON]),
        ([ARRIVING], [WATCHED]),
        ([], [UNREADY, STILL, FINE, GOING_ON]),
        ([("RedisReady", "True", "Running")], [("RedisReady", "False", "NotReady")]),
    ],
)
def test_what_is_no_news_is_not_told(before: list[Said], after: list[Said]) -> None:
    """Nothing has changed, or another event says it."""
    assert told(before, after) == []


def test_another_message_is_no_event() -> None:
    """A rollout goes through several: one event is enough."""
    before = status(ROLLING)
    after = {"conditions": [{**before["conditions"][0], "message": "waiting for connect"}]}

    assert list(events.transitions(manifests.resource(), before, after, NOW)) == []


def test_an_event_is_about_the_resource() -> None:
    """`kubectl describe` finds it by kind, name and uid; the message is the condition's."""
    [event] = told([FINE], [BROKEN])

    resource = manifests.resource()
    assert event["involvedObject"] == {
        "apiVersion": resource["apiVersion"],
        "kind": resource["kind"],
        "name": "demo",
        "namespace": "chat",
        "uid": manifests.UID,
    }
    assert (event["message"], event["count"]) == ("ImagePullBackOff happened", 1)
    assert event["firstTimestamp"] == event["lastTimestamp"] == NOW
    assert event["apiVersion"] == kinds.EVENT.api_version


def test_one_transition_has_one_name() -> None:
    """Told twice it is one event; the same thing later is another."""
    names = [told([FINE], [BROKEN], now)[0]["metadata"]["name"] for now in (NOW, NOW, LATER)]

    assert names[0] == names[1] != names[2]
    assert re.fullmatch(r"demo\.[0-9a-f]{16}", names[0])
    assert len({event["metadata"]["name"] for event in told([], [READY, BROKEN, ROLLING, PAUSED])}) == 4
