"""Requests on their way: lanes, repetition and bounds."""

import json
import random
from typing import Any

import pytest

from chatcluster.client import frames, pipeline
from chatcluster.client.pipeline import Call, Pipeline
from chatcluster.core import errors


def send(key: int, lane: str = "send 1", **rest: Any) -> Call:
    """Return a message."""
    return Call(key, "send", lambda: {"room": "room:1", "message_id": f"m{key}", "text": "hi"}, lane, **rest)


def ask(key: int) -> Call:
    """Return a question that is asked for 30 s."""
    return Call(key, "history", lambda: {"room": "room:1"}, give_up=pipeline.ASK_FOR)


def made(*calls: Call) -> Pipeline:
    """Return a pipeline that holds these."""
    calls_made = Pipeline(random.Random(1))
    for call in calls:
        calls_made.add(call)
    return calls_made


def written(calls: Pipeline, now: float = 0.0) -> list[dict[str, Any]]:
    """Return the frames to write."""
    return [json.loads(text) for text in calls.ready(now)]


def refusal(code: str, **rest: Any) -> frames.Refusal:
    """Return an error, to the first request that was made."""
    return frames.Refusal(1, code, **rest)


def test_a_lane_has_one_call_on_its_way() -> None:
    """Messages to one target go one after another, whatever happens to the first; others do not wait for them."""
    calls = made(send(1), send(2), send(3, "send 2"), ask(4))

    assert [frame.get("message_id") for frame in written(calls)] == ["m1", "m3", None]
    assert written(calls) == []

    calls.refused(refusal("busy", retry_after=1.0), 0.0)

    assert written(calls) == []

    again = written(calls, 9.0)

    assert [frame["message_id"] for frame in again] == ["m1"]

    calls.answered(again[0]["id"])

    assert [frame["message_id"] for frame in written(calls)] == ["m2"]


def test_a_repeated_message_says_how_old_it_is() -> None:
    """After a lost connection the message is the same, and `age_ms` counts from the first attempt."""
    calls = made(send(1))

    assert "age_ms" not in written(calls, 10.0)[0]

    calls.disconnected()
    again = written(calls, 12.5)[0]

    assert (again["message_id"], again["age_ms"], again["id"]) == ("m1", 2500, 2)


def test_a_refusal_that_is_final_ends_the_call() -> None:
    """What would not succeed as it stands is not repeated."""
    calls = made(send(1))
    written(calls)
    ended = calls.refused(refusal("conflict", detail="another text"), 0.0)

    assert ended
    assert isinstance(ended.error, errors.Conflict)
    assert len(calls) == 0


def test_a_message_that_may_be_stored_ends_as_unknown() -> None:
    """After eight minutes without an answer nobody can say, and the error says that."""
    calls = made(send(1))
    written(calls, 0.0)
    calls.disconnected()

    assert calls.overdue(pipeline.SEND_FOR - 1) == []

    [ended] = calls.overdue(pipeline.SEND_FOR)

    assert isinstance(ended.error, errors.OutcomeUnknown)


def test_a_message_that_was_never_sent_waits_for_a_connection() -> None:
    """Its time begins with its first attempt."""
    calls = made(send(1))

    assert calls.overdue(10 * pipeline.SEND_FOR) == []


def test_a_question_is_given_up_with_its_last_error() -> None:
    """Without a connection in time, or refused once too often, whoever asks is told why."""
    calls = made(ask(1))

    [ended] = calls.overdue(pipeline.ASK_FOR)

    assert isinstance(ended.error, errors.Unavailable)

    calls = made(ask(1))
    written(calls)
    refused = calls.refused(refusal("rate_limited", retry_after=1.0), pipeline.ASK_FOR)

    assert refused
    assert isinstance(refused.error, errors.RateLimited)


def test_as_many_are_on_their_way_as_a_gateway_allows() -> None:
    """The rest waits for answers."""
    calls = made(*(ask(key) for key in range(1, 41)))
    first = written(calls)

    assert len(first) == pipeline.WINDOW
    assert written(calls) == []

    calls.answered(first[0]["id"])

    assert len(written(calls)) == 1


def test_more_than_the_bound_is_refused_at_once() -> None:
    """A thousand calls wait at most; joins are bounded by the number of rooms."""
    calls = made(*(ask(key) for key in range(pipeline.UNANSWERED)))

    with pytest.raises(errors.Busy):
        calls.add(ask(-1))

    calls.add(Call(-2, "join", dict, lasting=True))


def test_a_late_answer_makes_the_connection_suspect() -> None:
    """After 30 s the connection is taken for dead, and `next_due` says when to look."""
    calls = made(ask(1))
    written(calls, 5.0)

    assert calls.next_due(5.0) == 5.0 + pipeline.ANSWER_WITHIN
    assert not calls.is_stuck(34.9)
    assert calls.is_stuck(35.0)


def test_what_nobody_waits_for_is_forgotten_unless_it_is_on_its_way() -> None:
    """The lane of a message that is on its way stays closed until its answer."""
    calls = made(send(1), send(2))
    written(calls)
    calls.drop(1)
    calls.drop(2)

    assert len(calls) == 1
    assert calls.answered(1)


def test_nothing_is_due_that_waits_for_an_answer() -> None:
    """Whoever looks at `next_due` is not woken for what its lane or the window holds back."""
    calls = made(send(1), send(2))
    written(calls, 5.0)

    assert calls.next_due(5.0) > 5.0
