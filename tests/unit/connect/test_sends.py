from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from chatcluster.connect.sends import PATIENCE, PENDING, Send
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import session_of
from support.eventually import eventually
from support.gateway import Rig

ROOM = RoomName("room:1")


def counted(outcome: str) -> float:
    """How many sends clients were told to have ended so."""
    return REGISTRY.get_sample_value("chat_sends_total", {"outcome": outcome}) or 0.0


class Sender:
    """A client that remembers what it was told."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.refused: list[errors.ChatError] = []

    def sent(self, send: Send, stored: logic_pb2.PublishResponse) -> None:
        self.stored.append(send.text)

    def not_sent(self, send: Send, error: errors.ChatError) -> None:
        self.refused.append(error)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running, with one user called ann."""
    async with Rig().running() as rig:
        await rig.token("ann")
        yield rig


def send(text: str) -> Send:
    """A send of ann's."""
    return Send(session_of("ann"), ROOM, text)


async def stored(rig: Rig) -> list[str]:
    """What is in the room's history."""
    (history,) = await rig.world.log.history([log.Read(ROOM, limit=1000)])
    return [pb.Message.FromString(publication.body).text for publication in history.publications]


async def test_sends_of_a_connection_keep_their_order(rig: Rig) -> None:
    """One after the other, each stored once."""
    sender, before = Sender(), counted("ok")
    for number in range(20):
        assert rig.sends.submit(sender, send(str(number)))
    await eventually(lambda: not rig.sends._chains)

    assert await stored(rig) == sender.stored == [str(number) for number in range(20)]
    assert sender.refused == []
    assert counted("ok") - before == 20


async def test_unknown_outcome_is_repeated_with_its_own_id(rig: Rig) -> None:
    """Before the next is begun; so what was stored is stored once and in order."""
    sender = Sender()
    rig.logic.afterwards = errors.OutcomeUnknown()
    rig.sends.submit(sender, send("one"))
    rig.sends.submit(sender, send("two"))
    await eventually(lambda: rig.logic.times("Publish") > 2)
    rig.logic.afterwards = None
    await eventually(lambda: not rig.sends._chains)

    assert await stored(rig) == ["one", "two"]
    assert sender.refused == []


async def test_repetition_that_is_turned_away_stays_unknown(rig: Rig) -> None:
    """Busy says that nothing was stored, but only of that attempt."""
    sender = Sender()
    rig.logic.afterwards = errors.OutcomeUnknown()
    rig.sends.submit(sender, send("one"))
    await eventually(lambda: rig.logic.times("Publish") > 1)
    rig.logic.afterwards, rig.logic.failure = None, errors.Unavailable()
    asked = rig.logic.times("Publish")
    await eventually(lambda: rig.logic.times("Publish") > asked + 1)
    rig.logic.failure = None
    await eventually(lambda: not rig.sends._chains)

    assert await stored(rig) == ["one"]
    assert sender.refused == []


async def test_send_is_given_up_in_the_end(rig: Rig) -> None:
    """The client is told that nobody knows; the next send has its turn."""
    sender = Sender()
    rig.logic.failure = errors.OutcomeUnknown()
    rig.sends.submit(sender, send("one"))
    await eventually(lambda: rig.logic.times("Publish"))
    rig.world.clock.time += PATIENCE + 1
    await eventually(lambda: sender.refused)
    rig.logic.failure = None
    rig.sends.submit(sender, send("two"))
    await eventually(lambda: not rig.sends._chains)

    assert isinstance(sender.refused[0], errors.OutcomeUnknown)
    assert await stored(rig) == ["two"]


async def test_what_was_not_stored_is_told(rig: Rig) -> None:
    """Busy, and a text that is wrong; neither stops what follows."""
    sender, before = Sender(), (counted("busy"), counted("invalid"))
    rig.logic.failure = errors.Busy("full")
    rig.sends.submit(sender, send("one"))
    await eventually(lambda: sender.refused)
    rig.logic.failure = None
    rig.sends.submit(sender, send("x" * 5000))
    rig.sends.submit(sender, send("two"))
    await eventually(lambda: not rig.sends._chains)

    assert [type(error) for error in sender.refused] == [errors.Busy, errors.Invalid]
    assert (counted("busy") - before[0], counted("invalid") - before[1]) == (1, 1)
    assert await stored(rig) == sender.stored == ["two"]


async def test_a_message_keeps_its_own_id(rig: Rig) -> None:
    """A client that names its message may send it again; to a user it goes to their conversation."""
    sender = Sender()
    await rig.token("bob")
    message = Send(session_of("ann"), 2, "hello", message_id="mine")
    rig.sends.submit(sender, message)
    rig.sends.submit(sender, message)
    await eventually(lambda: not rig.sends._chains)

    assert sender.stored == ["hello", "hello"]
    (history,) = await rig.world.log.history([log.Read(RoomName("dm:1:2"), limit=1000)])
    assert [pb.Message.FromString(found.body).id for found in history.publications] == ["mine"]


async def test_waiting_sends_are_bounded(rig: Rig) -> None:
    """The next is refused while logic does not answer; a neighbour's are not."""
    rig.logic.answering.clear()
    sender, neighbour = Sender(), Sender()
    taken = [rig.sends.submit(sender, send(str(number))) for number in range(PENDING + 5)]
    others = rig.sends.submit(neighbour, send("mine"))
    rig.logic.answering.set()
    await eventually(lambda: not rig.sends._chains)

    assert taken == [True] * PENDING + [False] * 5
    assert others
    assert len(await stored(rig)) == PENDING + 1
    assert rig.sends._bytes == 0
