from collections.abc import AsyncIterator

import pytest

from chatcluster.connect.gochat_client import TOLERATED
from chatcluster.core import errors
from chatcluster.frames import disconnects
from support.eventually import eventually
from support.gateway import Rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


@pytest.mark.parametrize(
    ("failure", "told"), [(errors.Busy("full"), "not sent: full"), (errors.OutcomeUnknown("?"), "perhaps not sent: ?")]
)
async def test_what_was_not_sent_is_told(rig: Rig, failure: errors.ChatError, told: str) -> None:
    """In a private message from nobody, with gochat's code for failure."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    rig.logic.failure = failure
    client.send(authToken="ann", roomId=1, op=3, msg="hello")
    await eventually(lambda: rig.logic.times("Publish"))
    rig.world.clock.time += 31
    await eventually(lambda: client.shown(op=2))

    assert client.shown(op=2)[0]["msg"] == told
    assert client.shown(op=2)[0]["code"] == 1


async def test_who_sends_in_a_session_that_has_ended_is_closed(rig: Rig) -> None:
    """Without a word, as gochat has it."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    rig.logic.failure = errors.SessionEnded()
    client.send(authToken="ann", roomId=1, op=3, msg="hello")
    await client.until_closed()

    assert client.shown(op=2) == []


async def test_a_drain_has_no_word_in_gochat(rig: Rig) -> None:
    """Its clients see the end and nothing before."""
    client = await rig.member("websocket", await rig.token("ann"), 1)
    await eventually(lambda: client.shown(op=5))
    before = len(client.bodies())
    client.connection.warn(1.0)

    assert len(client.bodies()) == before


async def test_some_frames_that_do_not_decode_are_forgiven(rig: Rig) -> None:
    """Over TCP; the one after them closes."""
    client = await rig.member("tcp", await rig.token("ann"), 1)
    for _ in range(TOLERATED):
        client.send_payload(b"{")
    before = client.code
    client.send_payload(b"{")

    assert before is None
    assert client.shown(op=2)[-1]["msg"] == disconnects.BAD_FRAME.reason
