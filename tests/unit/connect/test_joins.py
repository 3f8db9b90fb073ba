"""Joining with a position: whatever happens meanwhile, each publication is shown once and in order."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from chatcluster.connect.hub import JITTER
from chatcluster.connect.joins import LIMIT
from chatcluster.connect.room import HELD
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.v1 import connect_pb2
from support.domain import World
from support.eventually import eventually
from support.gateway import Rig
from support.v1 import V1, member

ROOM = RoomName("room:lobby")


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


class Chat:
    """A room that is spoken in, and a dispatch that follows when it is told to."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.said = 0
        self.dispatched = 0

    async def say(self, count: int = 1) -> None:
        """Publish numbers, counting up."""
        for _ in range(count):
            self.said += 1
            await self._rig.world.post(ROOM, str(self.said), f"id-{self.said}")

    def dispatch(self, again: int = 0) -> None:
        """Bring the hub all that was said, and the last few of what it had once more."""
        entries = [entry.publication for entry in self._rig.world.dispatched(ROOM) if entry.publication]
        found = entries[max(0, self.dispatched - again) :]
        self.dispatched = len(entries)
        shard = ids.shard_of(ROOM, self._rig.world.shards)
        for publication in found:
            epoch = ids.shard_epoch_of(publication.epoch)
            self._rig.hub.deliver(
                connect_pb2.Batch(shard=shard, epoch=epoch, publications=[publication]), self._rig.world.clock()
            )

    async def place(self, offset: int) -> dict[str, object]:
        """A position in the room."""
        (history,) = await self._rig.world.log.history([log.Read(ROOM, limit=0)])
        return {"epoch": history.position.epoch, "offset": offset}


async def join(chat: Chat, client: V1, offset: int) -> None:
    """Join as docs/protocol.md tells clients to: again from the last that came, until it is done."""
    while not (answer := await client.call("join", room=ROOM, since=await chat.place(offset))).get("joined"):
        if answer["type"] == "ok":
            offset = answer["publications"][-1]["offset"]


@pytest.mark.parametrize("seed", range(30))
async def test_random_chats(rig: Rig, seed: int) -> None:
    """Clients that join at random moments and positions, while dispatch lags and repeats and logic is slow."""
    dice, chat = random.Random(seed), Chat(rig)
    await chat.say(dice.randrange(1, 30))
    joins: list[tuple[asyncio.Task[None], V1, int]] = []
    for number in range(6):
        client = await member(rig, dice.choice(["websocket", "tcp"]), f"user-{number}")
        offset = dice.randrange(chat.said + 1)
        joins.append((asyncio.create_task(join(chat, client, offset)), client, offset))
        for _ in range(dice.randrange(4)):
            await dice.choice([chat.say, _nothing, _nothing])()
            if dice.random() < 0.5:
                chat.dispatch(again=dice.randrange(5))
            if dice.random() < 0.3:
                rig.logic.answering.clear()
            await asyncio.sleep(0)
        rig.logic.answering.set()
    await asyncio.gather(*(task for task, _, _ in joins))
    await chat.say(3)
    chat.dispatch(again=10)

    for _, client, offset in joins:
        assert client.texts(ROOM) == [str(number) for number in range(offset + 1, chat.said + 1)]


async def _nothing() -> None:
    await asyncio.sleep(0)


async def test_more_is_said_than_a_room_remembers() -> None:
    """Then history is read once more, and still nothing is missing."""
    async with Rig(World(limits=log.Limits(room_burst=10_000))).running() as rig:
        chat = Chat(rig)
        await chat.say()
        neighbour = await member(rig, "websocket", "bob")
        await neighbour.call("join", room=ROOM)
        client = await member(rig, "websocket", "ann")
        rig.logic.answering.clear()
        joining = asyncio.create_task(join(chat, client, 0))
        await eventually(lambda: rig.logic.times("ReadHistory"))
        await chat.say(HELD + LIMIT)
        chat.dispatch()
        rig.logic.answering.set()
        await joining

        assert client.texts(ROOM) == [str(number) for number in range(1, chat.said + 1)]
        assert rig.logic.times("ReadHistory") > 1


async def test_those_who_ask_the_same_share_a_read(rig: Rig) -> None:
    """A gateway that comes back to a crowd does not ask logic once for each."""
    chat = Chat(rig)
    await chat.say(3)
    clients = [await member(rig, "websocket", f"user-{number}") for number in range(40)]
    rig.logic.failure = errors.Unavailable()
    numbers = [client.ask("join", room=ROOM, since=await chat.place(1)) for client in clients]
    await eventually(lambda: rig.logic.times("RegisterRooms"))
    rig.logic.failure = None
    answers = [await client.answer(number) for client, number in zip(clients, numbers, strict=True)]

    assert {answer["offset"] for answer in answers} == {3}
    reads = [request for method, request in rig.logic.asked if method == "ReadHistory"]
    assert sum(len(request.reads) for request in reads) < 10


async def test_a_room_that_comes_back_with_less(rig: Rig) -> None:
    """A join that was read in an epoch which the room has left is read again."""
    chat = Chat(rig)
    await chat.say(5)
    client = await member(rig, "websocket", "ann")
    await client.call("join", room=ROOM)
    since = await chat.place(4)
    rig.world.clock.time += 1
    rig.world.server.identity = "another life"
    answer = client.ask("join", room=ROOM, since=since)
    await eventually(lambda: rig.logic.times("ReadHistory") > 1)
    await chat.say()
    chat.dispatch()
    rig.pass_time(JITTER)

    assert (await client.answer(answer))["recovered"]
    assert client.texts(ROOM) == ["5", "6"]
