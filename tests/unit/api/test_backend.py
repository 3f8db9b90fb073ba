import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import Message
from prometheus_client import REGISTRY

from chatcluster.api.backend import Backend, Deadlines
from chatcluster.core import errors
from chatcluster.v1 import logic_pb2

STORED = logic_pb2.PublishResponse(room="room:1", time_ms=5)


class Script:
    """Answers calls as it is told to, the last answer again and again."""

    def __init__(self, *answers: Message | errors.ChatError, first_after: float = 0) -> None:
        """`first_after`: seconds that the first answer takes."""
        self._first_after = first_after
        self.requests: list[Any] = []
        self.timeouts: list[float] = []
        self._answers = list(answers)

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        assert method
        if not self.requests:
            await asyncio.sleep(self._first_after)
        self.requests.append(type(request).FromString(request.SerializeToString()))
        self.timeouts.append(timeout)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, errors.ChatError):
            raise answer
        return answer


def backend(script: Script, publish: float = 5.0) -> Backend:
    """A backend whose calls are answered by a script."""
    return Backend(script, Deadlines(call=1, password=2, publish=publish), lambda: "drawn")


async def publish(*answers: Message | errors.ChatError, within: float = 5.0) -> Sequence[Any]:
    """Publish; the requests that it took."""
    script = Script(*answers)
    assert await backend(script, within).publish(logic_pb2.PublishRequest(text="hi", age_ms=10)) == STORED
    return script.requests


def counted(outcome: str) -> float:
    """How many sends clients were told to have ended so."""
    return REGISTRY.get_sample_value("chat_sends_total", {"outcome": outcome}) or 0.0


async def test_a_send_counts_once_by_what_its_sender_is_told() -> None:
    """However many attempts it took."""
    before = counted("ok"), counted("unavailable"), counted("busy")
    await publish(errors.Unavailable(), STORED)
    with pytest.raises(errors.Busy):
        await publish(errors.Busy())

    assert (counted("ok") - before[0], counted("unavailable") - before[1], counted("busy") - before[2]) == (1, 0, 1)


async def test_an_unknown_outcome_is_repeated_with_the_same_id() -> None:
    """Until it is known, with an age that grows from what the client said."""
    requests = await publish(errors.OutcomeUnknown(), errors.OutcomeUnknown(), STORED)
    assert [request.message_id for request in requests] == ["drawn"] * 3
    ages = [request.age_ms for request in requests]
    assert ages[0] == 10
    assert ages == sorted(ages)
    assert ages[2] > 10


async def test_a_refusal_for_the_moment_does_not_settle_an_unknown_outcome() -> None:
    """Busy says that the repetition was not stored, and nothing of the attempt before it."""
    assert len(await publish(errors.OutcomeUnknown(), errors.Busy(), errors.RateLimited(), STORED)) == 4


async def test_an_outcome_that_stays_unknown_is_told_as_unknown() -> None:
    """After the deadline, however the last repetition was refused."""
    loop = asyncio.get_running_loop()
    script, started = Script(errors.OutcomeUnknown("who knows"), errors.Unavailable("away")), loop.time()
    with pytest.raises(errors.OutcomeUnknown, match="who knows"):
        await backend(script, publish=0.3).publish(logic_pb2.PublishRequest(text="hi"))
    assert len(script.requests) > 2
    assert loop.time() - started < 5
    assert all(0 < timeout < 0.31 for timeout in script.timeouts)


async def test_a_refusal_for_good_after_an_unknown_outcome_ends_the_repetitions() -> None:
    """The session may have ended in between: the message may be stored all the same."""
    script = Script(errors.OutcomeUnknown(), errors.SessionEnded())
    with pytest.raises(errors.OutcomeUnknown):
        await backend(script).publish(logic_pb2.PublishRequest(text="hi"))
    assert len(script.requests) == 2


async def test_a_backend_that_is_away_for_a_moment_is_waited_for() -> None:
    """Nothing was stored, and soon it can be: nobody has to be told of a restart."""
    requests = await publish(errors.Unavailable(), errors.Unavailable(), STORED)
    assert [request.message_id for request in requests] == ["drawn"] * 3


async def test_a_backend_that_stays_away_is_told_of_soon() -> None:
    """Sooner than an outcome that is unknown: the client can try again without harm."""
    loop = asyncio.get_running_loop()
    script, started = Script(errors.Unavailable("away")), loop.time()
    with pytest.raises(errors.Unavailable, match="away"):
        await Backend(script, Deadlines(publish=60, blink=0.3), lambda: "drawn").publish(logic_pb2.PublishRequest())
    assert len(script.requests) > 1
    assert loop.time() - started < 5


async def test_a_backend_is_waited_for_however_long_a_publish_had_waited_before() -> None:
    """What was held up on a busy machine is not refused for that when Redis restarts just then."""
    script = Script(errors.Unavailable(), errors.Unavailable(), STORED, first_after=0.6)
    assert await Backend(script, Deadlines(blink=0.5), lambda: "drawn").publish(logic_pb2.PublishRequest()) == STORED


async def test_a_backend_is_not_waited_for_beyond_the_deadline() -> None:
    """A publish is always answered by then."""
    script, loop = Script(errors.Unavailable(), first_after=0.3), asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(errors.Unavailable):
        await Backend(script, Deadlines(publish=0.4, blink=60), lambda: "drawn").publish(logic_pb2.PublishRequest())
    assert loop.time() - started < 5


async def test_an_outcome_that_became_unknown_while_a_backend_was_away_is_seen_through() -> None:
    """The longer deadline holds from then on."""
    script = Script(errors.Unavailable(), errors.OutcomeUnknown(), errors.Unavailable(), errors.Unavailable(), STORED)
    with_no_patience = Backend(script, Deadlines(publish=60, blink=0.06), lambda: "drawn")
    assert await with_no_patience.publish(logic_pb2.PublishRequest()) == STORED


@pytest.mark.parametrize("error", [errors.Busy(), errors.RateLimited(), errors.Conflict()])
async def test_a_first_refusal_is_passed_on_at_once(error: errors.ChatError) -> None:
    """Nothing was stored, and it is the client who knows whether to try again."""
    script = Script(error)
    with pytest.raises(type(error)):
        await backend(script).publish(logic_pb2.PublishRequest(text="hi", message_id="mine"))
    assert [request.message_id for request in script.requests] == ["mine"]


async def test_a_login_s_unknown_outcome_may_simply_be_tried_again() -> None:
    """A session without a holder of its token does nothing; an account that may exist does."""
    script = Script(errors.OutcomeUnknown())
    with pytest.raises(errors.Unavailable):
        await backend(script).login("a", "b", "")
    with pytest.raises(errors.OutcomeUnknown):
        await backend(script).register("a", "b", "")


async def test_a_room_that_could_not_be_read_raises_its_error() -> None:
    """What logic says of the one room that was asked for."""
    rooms = [logic_pb2.RoomHistory(room="room:1", error="forbidden")]
    with pytest.raises(errors.Forbidden):
        await backend(Script(logic_pb2.ReadHistoryResponse(rooms=rooms))).history(b"", logic_pb2.RoomRead())
