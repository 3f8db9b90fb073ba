"""Which rooms are asked for, and when."""

import json
import random
from typing import Any

import pytest

from chatcluster.client import backoff, frames
from chatcluster.client.pipeline import Pipeline
from chatcluster.client.rooms import Rooms
from chatcluster.client.track import Track
from chatcluster.core import errors


class Bench:
    """Rooms, and the requests that they lead to."""

    def __init__(self) -> None:
        self.calls = Pipeline(random.Random(1))
        self.rooms = Rooms(self.calls, random.Random(1))

    def written(self, now: float = 0.0) -> list[dict[str, Any]]:
        """Return what is asked for now."""
        self.rooms.join_what_is_missing(now)
        return [json.loads(text) for text in self.calls.ready(now)]

    def answer(self, request: dict[str, Any], **fields: Any) -> list[int]:
        """Answer a join; who waited for it."""
        call = self.calls.answered(request["id"])
        assert call
        return [key for key, _ in self.rooms.answered(call, {"epoch": "e1", "offset": 3, **fields})]


@pytest.fixture
def bench() -> Bench:
    """Return rooms of a client."""
    return Bench()


def test_a_room_is_asked_for_once_and_again_after_a_loss(bench: Bench) -> None:
    """Whoever joined is told at the first answer; later joins are nobody's, and begin where the room stands."""
    bench.rooms.join(7, Track("room:1"))
    [request] = bench.written()

    assert request == {"id": 1, "type": "join", "room": "room:1"}
    assert bench.written() == []
    assert bench.answer(request) == [7]
    assert bench.written() == []

    bench.rooms.disconnected()
    [again] = bench.written()

    assert again["since"] == {"epoch": "e1", "offset": 3}
    assert bench.answer(again) == []


def test_a_room_that_is_refused_is_over(bench: Bench) -> None:
    """Its iteration ends in the error, and it may be joined again."""
    track = Track("dm:1:2")
    bench.rooms.join(7, track)
    bench.written()
    call = bench.calls.refused(frames.Refusal(1, "forbidden"), 0.0)

    assert call
    assert bench.rooms.refused(call) == [7]
    assert isinstance(track.error, errors.Forbidden)

    bench.rooms.join(8, Track("dm:1:2"))


def test_a_room_is_joined_once_by_a_client(bench: Bench) -> None:
    """Two iterations of one room would share its messages."""
    bench.rooms.join(7, Track("room:1"))

    with pytest.raises(errors.Invalid):
        bench.rooms.join(8, Track("room:1"))


def test_leaving_is_told_after_the_join(bench: Bench) -> None:
    """While a join is on its way the leave waits for it, and its answer is for nobody."""
    track = Track("room:1")
    bench.rooms.join(7, track)
    [request] = bench.written()
    bench.rooms.leave(track, tell=True)

    assert bench.written() == []
    assert bench.answer(request) == []
    assert [each["type"] for each in bench.written()] == ["leave"]


def test_joins_that_bring_nothing_are_asked_later_each_time(bench: Bench) -> None:
    """A gateway that answers without what is missing is not asked in a loop."""
    bench.rooms.join(7, Track("room:1"))
    [request] = bench.written()
    bench.answer(request)
    hole = {"room": "room:1", "epoch": "e1", "offset": 9, "time_ms": 1, "id": "m", "from": {"id": 1, "name": "a"}}
    push = frames.decode(json.dumps({"type": "publication", **hole, "text": "t"}))
    assert isinstance(push, frames.Publication)
    bench.rooms.pushed(push)
    [request] = bench.written()
    bench.answer(request, joined=False)

    assert bench.written() == []
    assert len(bench.written(backoff.FIRST)) == 1
