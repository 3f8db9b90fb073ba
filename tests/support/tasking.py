"""A task's parts for tests: over ports in memory that can fail, with gateways that answer when the test says so."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomName, ShardId, UserId
from chatcluster.log import log
from chatcluster.log.memory import MemoryLog
from chatcluster.log.memory_state import Server
from chatcluster.presence.memory import MemoryPresence
from chatcluster.task.dispatch import Dispatch
from chatcluster.task.lane import Bounds
from chatcluster.task.worker import Parts
from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support.domain import Clock
from support.eventually import eventually

SHARDS = 4
ROOM = ids.room(7)
SHARD = ids.shard_of(ROOM, SHARDS)
GATEWAY = Incarnation("gw-1/a")


class Faulty:
    """A port some of whose steps fail: before they are made, or with their answer lost on the way back."""

    def __init__(self, port: object) -> None:
        self._port = port
        self.refused: dict[str, errors.ChatError] = {}
        """By the step's name: raised instead of making it."""
        self.lost: dict[str, errors.ChatError] = {}
        """By the step's name: raised after it was made, once."""
        self.failing: dict[str, list[errors.ChatError]] = {}
        """By the step's name: raised one after the other, each instead of making it once."""
        self.made: list[str] = []
        """The steps that were made, in order."""
        self.held: dict[str, asyncio.Event] = {}
        """By the step's name: the next one waits for this before it is made."""
        self.refusals: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        step = getattr(self._port, name)
        return self._guarded(name, step) if asyncio.iscoroutinefunction(step) else step

    def _guarded(self, name: str, step: Any) -> Any:
        async def guarded(*arguments: Any, **named: Any) -> Any:
            if name in self.held:
                await self.held.pop(name).wait()
            if name in self.refused:
                self.refusals[name] += 1
                raise self.refused[name]
            if self.failing.get(name):
                raise self.failing[name].pop(0)
            answer = await step(*arguments, **named)
            self.made.append(name)
            if name in self.lost:
                raise self.lost.pop(name)
            return answer

        return guarded


class PatientLog(MemoryLog):
    """The log in memory, but for reading, which waits for the first entry as Redis does."""

    broken = ""
    """The text of a message that cannot be copied, or a room whose holders cannot be read: their keys are corrupt."""

    async def holders(self, shard: ShardId, rooms: Sequence[RoomName]) -> log.Holders:
        if self.broken in rooms:
            raise errors.Unavailable(lasting=True)
        return await super().holders(shard, rooms)

    async def copy(self, source: ShardId, copies: Sequence[log.Copy]) -> None:
        if any(pb.Message.FromString(each.publication.body).text == self.broken for each in copies):
            raise errors.OutcomeUnknown(lasting=True)
        await super().copy(source, copies)

    async def entries(self, shard: ShardId, after: ids.StreamId, limit: int, wait: float) -> list[log.Entry]:
        found = await super().entries(shard, after, limit, 0)
        loop = asyncio.get_running_loop()
        ends = loop.time() + wait
        while not found and loop.time() < ends:
            await asyncio.sleep(0.005)
            found = await super().entries(shard, after, limit, 0)
        return found


class Reasons:
    """An observer of dispatch that remembers why gateways were passed over."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def passed_over(self, reason: str) -> None:
        self.reasons.append(reason)

    def dropped(self, ephemerals: int) -> None: ...


class Tasking:
    """The ports and the dispatch of one task. Its gateways are this object: they take what `deliver` hands them."""

    def __init__(self, server: Server | None = None, clock: Clock | None = None, bounds: Bounds | None = None) -> None:
        self.clock = clock or Clock()
        self.server = server or Server(SHARDS)
        numbers = itertools.count()
        self.memory = PatientLog(self.server, now=self.clock, draw=lambda n: f"{next(numbers):0{n}x}")
        self.log = Faulty(self.memory)
        self.presence = Faulty(MemoryPresence(now=self.clock))
        self.observer = Reasons()
        self.dispatch = Dispatch("demo", self.observer, bounds or Bounds())
        self.followed = 0
        self.delivered: list[connect_pb2.Batch] = []

    def parts(self, batch: int = 100) -> Parts:
        """What a worker of this task needs."""
        return Parts(cast(Any, self.log), cast(Any, self.presence), self.dispatch, self.follow, batch)

    def follow(self, live: Mapping[Incarnation, str]) -> None:
        """What callers are told."""
        self.followed += 1
        self.dispatch.follow(live)

    async def gateway(self, *rooms: RoomName) -> None:
        """Have a living gateway that holds rooms."""
        await self.presence.acquire(GATEWAY, "127.0.0.1:1")
        await self.memory.register(GATEWAY, 1, [log.Read(room) for room in rooms])

    async def post(self, room: RoomName, *texts: str) -> None:
        """Publish messages."""
        for text in texts:
            body = pb.Message(id=text, text=text).SerializeToString()
            await self.memory.publish(log.Draft(room, UserId(1), text, body, text.encode()[:8].ljust(8)))

    def spoil(self, room: RoomName) -> None:
        """Put an entry into dispatch that cannot be decoded."""
        shard = self.server.shards[ids.shard_of(room, SHARDS)]
        self.memory._dispatch(shard, log.Entry(ids.ZERO, 0, 0, poison="torn"))

    def deliver(self) -> list[ShardId]:
        """Have the gateway answer one call, if there is one; the shards whose cursors may move."""
        flight = self.dispatch.depart(GATEWAY)
        if flight is None:
            return []
        self.delivered.extend(flight.request.batches)
        return self.dispatch.answered(GATEWAY, flight)

    @property
    def waiting(self) -> int:
        """Items that wait for the gateway."""
        lane = self.dispatch.lanes.get(GATEWAY)
        return lane.items if lane else 0

    @property
    def texts(self) -> list[str]:
        """What the gateway was told."""
        publications = [publication for batch in self.delivered for publication in batch.publications]
        return [pb.Message.FromString(publication.body).text for publication in publications]

    async def history(self, room: RoomName) -> list[str]:
        """The texts in a room's history."""
        [found] = await self.memory.history([log.Read(room)])
        return [pb.Message.FromString(publication.body).text for publication in found.publications]

    async def is_settled(self, shard: ShardId = SHARD) -> bool:
        """Whether the shard's cursor has passed everything."""
        return (await self.memory.backlog(shard)).entries == 0

    def expire(self, shard: ShardId = SHARD) -> None:
        """End the lease of a shard's owner."""
        self.server.shards[shard].owner_until = 0

    def restart(self) -> None:
        """Have the server come back under another identity, with everything."""
        self.server = self.memory.server = self.server.clone(f"{self.server.identity}+")


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Run something as long as the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def settle(tasking: Tasking, settled: Any, shard: ShardId = SHARD) -> None:
    """Have the gateway answer everything, until the shard's cursor has passed it."""

    async def is_done() -> bool:
        if tasking.deliver():
            settled()
        return await tasking.is_settled(shard)

    await eventually(is_done, what="settled cursor")
