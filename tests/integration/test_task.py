"""The task program over a real Redis, with gateways that are real gRPC servers of a few lines."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from chatcluster.connect.chain import SILENCE
from chatcluster.core import errors, health, ids, redis, rpc_server
from chatcluster.core.ids import Incarnation, RoomName, ShardId, UserId
from chatcluster.core.redis_settings import Settings
from chatcluster.local import programs
from chatcluster.log import log
from chatcluster.log.redis import RedisLog
from chatcluster.presence.redis import RedisPresence
from chatcluster.task import dispatch
from chatcluster.task.callers import Callers
from chatcluster.task.lane import Bounds
from chatcluster.task.worker import CURSOR_DELAY
from chatcluster.v1 import connect_pb2, connect_pb2_grpc, types_pb2 as pb
from support import servers
from support.eventually import eventually
from support.servers import PASSWORD
from support.system import System
from support.tasking import Reasons, running

pytestmark = pytest.mark.process

SHARDS = 16
PREFIX = "chat:demo"
ANN, BOB = UserId(1), UserId(2)
TALK = ids.conversation(ANN, BOB)
ROOM = ids.room(7)
NEIGHBOURS = [name for n in range(8, 500) if ids.shard_of(name := ids.room(n), SHARDS) == ids.shard_of(ROOM, SHARDS)]
EVERYWHERE = [next(n for k in range(1, 500) if ids.shard_of(n := ids.room(k), SHARDS) == s) for s in range(SHARDS)]
MARGIN = 5.0
"""Seconds that a slow machine is given besides what the protocol promises."""


class Gateway(connect_pb2_grpc.ConnectServiceServicer):
    """A gateway that remembers what it was told, and answers when the test lets it."""

    def __init__(self, name: str) -> None:
        self.incarnation = Incarnation(f"{name}/a")
        self.answering = asyncio.Event()
        self.answering.set()
        self.refusing = False
        self.asked: list[connect_pb2.DeliverRequest] = []
        self.batches: list[connect_pb2.Batch] = []

    async def Deliver(self, request: connect_pb2.DeliverRequest, context: object) -> connect_pb2.DeliverResponse:
        self.asked.append(request)
        await self.answering.wait()
        if self.refusing or (request.cluster, request.incarnation) != ("demo", self.incarnation):
            raise errors.Superseded
        self.batches.extend(request.batches)
        return connect_pb2.DeliverResponse()

    def is_asked(self, text: str) -> bool:
        """Whether a publication has arrived, answered or not."""
        return any(
            text.encode() in publication.body
            for request in self.asked
            for batch in request.batches
            for publication in batch.publications
        )

    def told(self, *rooms: RoomName) -> list[str]:
        """The texts of the publications in rooms, in the order in which they came."""
        return [
            pb.Message.FromString(publication.body).text
            for batch in self.batches
            for publication in batch.publications
            if publication.room in rooms
        ]

    def chain(self, room: RoomName = ROOM) -> list[tuple[ids.StreamId, ids.StreamId]]:
        """From where to where each batch of a room's shard claims to be complete."""
        return [
            (ids.StreamId(batch.prev.ms, batch.prev.seq), ids.StreamId(batch.upto.ms, batch.upto.seq))
            for batch in self.batches
            if batch.shard == ids.shard_of(room, SHARDS)
        ]

    def breaks(self, room: RoomName = ROOM) -> int:
        """How often a batch begins after the end of all before it."""
        chain = self.chain(room)
        return sum(prev > max(end for _, end in chain[:n]) for n, (prev, _) in enumerate(chain) if n)


class World:
    """A Redis, the ports on it, the tasks as processes, and gateways in this process."""

    def __init__(self, system: System, client: redis.Client, stack: AsyncExitStack) -> None:
        self.system = system
        self.log = RedisLog(client, PREFIX, SHARDS, log.Limits(room_rate=100_000, room_burst=100_000))
        self.presence = RedisPresence(client, PREFIX, SHARDS)
        self.addresses: dict[Incarnation, str] = {}
        self._stack = stack

    async def gateway(self, name: str, *rooms: RoomName) -> Gateway:
        """Start a gateway that keeps its lease and holds rooms."""
        gateway = Gateway(name)

        def register(server: object) -> None:
            connect_pb2_grpc.add_ConnectServiceServicer_to_server(gateway, server)

        secret = self.system.secrets.cluster.read_text()
        server, port = await rpc_server.serve([register], "127.0.0.1:0", secret, health.Readiness())
        self._stack.push_async_callback(server.stop, None)
        self.addresses[gateway.incarnation] = f"127.0.0.1:{port}"
        await self.presence.acquire(gateway.incarnation, f"127.0.0.1:{port}")
        await self._stack.enter_async_context(running(self._renew(gateway)))
        await self.log.register(gateway.incarnation, 1, [log.Read(room) for room in rooms])
        return gateway

    async def _renew(self, gateway: Gateway) -> None:
        held = True
        while held:
            await asyncio.sleep(2)
            held = await self.presence.renew(gateway.incarnation)

    async def post(self, room: RoomName, *texts: str) -> None:
        """Publish messages."""
        for text in texts:
            body = pb.Message(id=text, text=text).SerializeToString()
            await self.log.publish(log.Draft(room, ANN, text, body, text.encode()[:8].ljust(8)))

    async def backlog(self, room: RoomName = ROOM) -> int:
        """Entries of a room's shard that the cursor has not passed."""
        return (await self.log.backlog(ids.shard_of(room, SHARDS))).entries

    async def settled(self, rooms: Iterable[RoomName] = (ROOM,), within: float = 10) -> None:
        """Wait until the cursors of the rooms' shards have passed everything."""
        for room in rooms:

            async def is_settled(room: RoomName = room) -> bool:
                return await self.backlog(room) == 0

            await eventually(is_settled, within=within, what=f"settled cursor of the shard of {room}")

    async def owned(self, tasks: int = 1) -> None:
        """Wait until every shard has an owner, and every task some."""

        async def is_owned() -> bool:
            shares = [await task.metric("chat_shards_owned") for task in self.system.task if task.running]
            return sum(shares) == SHARDS and sum(share > 0 for share in shares) == tasks

        await eventually(is_owned, within=20, what=f"{SHARDS} shards owned by {tasks} tasks")

    async def state(self, shard: ShardId, field: str) -> str | None:
        """A field of a shard's state in Redis."""
        async with self.system.redis.client() as client:
            found = await client.hget(f"{{{PREFIX}:{shard}}}:shard", field)
            return None if found is None else str(found)

    async def inbox(self, user: UserId) -> list[str]:
        """The texts in a user's inbox."""
        [found] = await self.log.history([log.Read(ids.inbox(user), limit=1000)])
        return [pb.Message.FromString(publication.body).text for publication in found.publications]

    async def passed_over(self, reason: str) -> float:
        """How often tasks have passed a gateway over."""
        return sum(
            [await t.metric("chat_gateways_passed_over_total", reason=reason) for t in self.system.task if t.running]
        )


@asynccontextmanager
async def world_of(folder: Path, **environ: str) -> AsyncIterator[World]:
    """Yield a world without tasks, whose tasks will have these settings."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(servers.running(servers.SERVERS[0], folder / "redis"))
        system = System(server, folder, {f"CHATCLUSTER_{name}": value for name, value in environ.items()})
        client = redis.Client(Settings(nodes=(("127.0.0.1", server.port),), password=PASSWORD))
        stack.push_async_callback(client.aclose)
        stack.push_async_callback(system.kill)
        yield World(system, client, stack)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Yield a world without tasks."""
    async with world_of(tmp_path) as made:
        yield made


def texts(count: int, prefix: str = "m") -> Sequence[str]:
    """So many different messages."""
    return [f"{prefix}{number}" for number in range(count)]


async def test_entries_reach_the_gateway_in_one_unbroken_chain(world: World) -> None:
    """In order and once, those from before the task began too; the cursor moves when the gateway has answered."""
    gateway = await world.gateway("gw", ROOM)
    await world.post(ROOM, *texts(20, "early"))
    gateway.answering.clear()
    await world.system.add_task()
    await eventually(lambda: gateway.asked)
    assert await world.backlog() == 20

    gateway.answering.set()
    await world.settled()
    await world.post(ROOM, *texts(200))
    await world.settled()

    assert gateway.told(ROOM) == [*texts(20, "early"), *texts(200)]
    assert gateway.breaks() == 0
    assert gateway.chain()[0][0] == ids.ZERO


async def test_only_holders_are_told(world: World) -> None:
    """Others hear of the shard in batches without items; who takes a room up later is told from then on."""
    one, other = await world.gateway("one", ROOM), await world.gateway("other", NEIGHBOURS[0])
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.post(NEIGHBOURS[0], "b")
    await world.settled()
    await world.log.register(other.incarnation, 2, [log.Read(ROOM)])
    await world.post(ROOM, "c")
    await world.settled()

    everything = (ROOM, NEIGHBOURS[0])
    assert (one.told(*everything), other.told(*everything)) == (["a", "c"], ["b", "c"])


async def test_silent_gateway_is_passed_over(world: World) -> None:
    """Within 15 seconds; others are served all the time, its lease stays, and its answer brings it back."""
    well, hung = await world.gateway("well", ROOM), await world.gateway("hung", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "first")
    await world.settled()
    hung.answering.clear()
    began = time.monotonic()
    await world.post(ROOM, "second")
    await eventually(lambda: well.told(ROOM) == ["first", "second"])
    assert await world.backlog() == 1

    await world.settled(within=15 + MARGIN)
    assert time.monotonic() - began >= dispatch.PATIENCE
    assert await world.passed_over("silent") == 1
    await world.post(ROOM, "third")
    await world.settled()
    assert hung.incarnation in await world.presence.gateways()

    more = iter(texts(1000))
    hung.answering.set()

    async def is_served_again() -> bool:
        await world.post(ROOM, next(more))
        return hung.told(ROOM)[-1][0] == "m"

    await eventually(is_served_again, within=5 + MARGIN)
    assert hung.breaks() > 0
    assert well.told(ROOM)[:3] == ["first", "second", "third"]
    assert well.breaks() == 0


async def test_refusal_by_another_incarnation_passes_over_at_once(world: World) -> None:
    """The gateway that was meant is gone, whatever its lease says."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()
    gateway.answering.clear()
    await world.post(ROOM, "b")
    await eventually(lambda: gateway.is_asked("b"))
    asked = time.monotonic()
    await eventually(lambda: time.monotonic() > asked + 3 * CURSOR_DELAY)
    assert await world.backlog() == 1

    gateway.refusing = True
    gateway.answering.set()

    await world.settled(within=MARGIN)
    assert await world.passed_over("refused") == 1


async def test_nobody_waits_for_a_gateway_that_is_gone(world: World) -> None:
    """The only gateway hangs and gives its lease up: the cursor passes what it never answered, without new entries."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.owned()
    await world.post(ROOM, "first")
    await world.settled()  # the empty batches by which a new owner shows itself are out of the way
    gateway.answering.clear()
    await world.post(ROOM, "a")
    await eventually(lambda: gateway.is_asked("a"))

    await world.presence.release(gateway.incarnation)

    await world.settled(within=5 + MARGIN)
    assert await world.passed_over("silent") == 0


async def test_gateway_that_comes_back_is_found(world: World) -> None:
    """Under another incarnation and address, after the old one answered nothing any more."""
    old = await world.gateway("old", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()
    await world.presence.release(old.incarnation)
    new = await world.gateway("new", ROOM)
    await world.post(ROOM, "b")
    await world.settled()

    assert (old.told(ROOM), new.told(ROOM)) == (["a"], ["b"])


async def test_caller_of_a_gateway_that_is_gone_ends(world: World) -> None:
    """With the call that was on its way: nothing is left of it in the task."""
    gateway = await world.gateway("gw")
    gateway.answering.clear()
    dispatching = dispatch.Dispatch("demo", Reasons(), Bounds())
    dispatching.own(log.Ownership(ShardId(0), "token", ids.ShardEpoch("1.a"), ids.ZERO, 0))
    told: list[ShardId] = []
    callers = Callers(dispatching, world.system.secrets.cluster.read_text(), 30, time.monotonic, told.extend)
    async with running(callers.run()):
        await eventually(lambda: callers._group is not None)
        callers.follow(world.addresses)
        await eventually(lambda: gateway.asked)
        assert calling()

        callers.follow({})

        await eventually(lambda: not calling())
        assert told == [ShardId(0)]


def calling() -> list[str]:
    """The tasks of this process that call gateways."""
    return [text for task in asyncio.all_tasks() if "_call_for_ever" in (text := repr(task.get_coro()))]


async def test_undecodable_entry_is_set_aside(world: World) -> None:
    """Whoever put it there: it is kept with its reason and counted, the break shows, and all others flow."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()
    shard = ids.shard_of(ROOM, SHARDS)
    async with world.system.redis.client() as client:
        await client.xadd(f"{{{PREFIX}:{shard}}}:dispatch", {"k": "p", "r": ROOM, "b": "torn"})
    await world.post(ROOM, "b")
    await world.settled()
    await world.post(ROOM, "c")
    await world.settled()

    assert gateway.told(ROOM) == ["a", "b", "c"]
    assert gateway.breaks() == 1
    assert (await world.log.backlog(shard)).dead_letters == 1
    assert await world.system.task[0].metric("chat_dead_letters_total", reason="undecodable") == 1


async def test_private_messages_are_copied_to_both_inboxes(world: World) -> None:
    """Once and in order, also when owners are killed in the middle of it."""
    gateway = await world.gateway("gw", ids.inbox(BOB))
    sent: list[str] = []
    for _ in range(3):
        await world.system.add_task()
        await world.owned()
        more = texts(100, f"{len(sent)}-")
        sent += more
        await world.post(TALK, *more)
        await world.system.task[-1].kill()
    await world.system.add_task()
    await world.settled([TALK, ids.inbox(ANN), ids.inbox(BOB)], within=20)

    assert await world.inbox(ANN) == sent
    assert await world.inbox(BOB) == sent
    told = gateway.told(ids.inbox(BOB))
    assert sorted(set(told), key=told.index) == sent


async def test_shards_of_a_killed_task_are_taken_over(world: World) -> None:
    """Within five seconds another task delivers in all of them, and gateways have not lost their trust by then."""
    gateway = await world.gateway("gw", *EVERYWHERE)
    await world.system.add_task(2)
    await world.owned(2)
    for room in EVERYWHERE:
        await world.post(room, "before")
    await world.settled(EVERYWHERE)

    await world.system.task[0].kill()
    died = time.monotonic()
    for room in EVERYWHERE:
        await world.post(room, "after")
    await eventually(lambda: gateway.told(*EVERYWHERE).count("after") >= SHARDS, within=5 + MARGIN)

    assert time.monotonic() - died < SILENCE
    assert all(gateway.told(room) == ["before", "after"] for room in EVERYWHERE)
    assert not any(gateway.breaks(room) for room in EVERYWHERE)


async def test_clean_stop_hands_over_at_once(world: World) -> None:
    """No lease has to run out: nobody counts a takeover, and nothing is delivered twice or left out."""
    gateway = await world.gateway("gw", *EVERYWHERE)
    await world.system.add_task(2)
    await world.owned(2)
    for room in EVERYWHERE:
        await world.post(room, "before")
    await world.settled(EVERYWHERE)
    gateway.answering.clear()
    for room in EVERYWHERE:
        await world.post(room, "after")

    assert await world.system.task[0].stop() == 0
    gateway.answering.set()
    await world.settled(EVERYWHERE, within=log.OWNER_TTL + MARGIN)

    assert [await world.state(ShardId(shard), "takeovers") for shard in range(SHARDS)] == ["0"] * SHARDS
    assert all(sorted(set(gateway.told(room))) == ["after", "before"] for room in EVERYWHERE)
    await world.system.task[1].stop()
    assert [await world.state(ShardId(shard), "until") for shard in range(SHARDS)] == [None] * SHARDS


async def test_full_lane_shows_the_break(tmp_path: Path) -> None:
    """The gateway was too slow: what was left out is passed, and the next batch begins behind it."""
    async with world_of(tmp_path, TASK_LANE_ITEMS="10", TASK_BATCH="5") as world:
        gateway = await world.gateway("gw", ROOM)
        await world.system.add_task()
        await world.post(ROOM, "first")
        await world.settled()
        gateway.answering.clear()
        await world.post(ROOM, *texts(30))
        await eventually(lambda: world.passed_over("overflow"))
        gateway.answering.set()
        await world.settled()
        await world.post(ROOM, "last")
        await world.settled()

        told = gateway.told(ROOM)
        assert (told[0], told[-1]) == ("first", "last")
        assert len(told) < 32
        assert gateway.breaks() >= 1
        assert world.system.task[0].running


async def test_redis_that_restarts_is_dispatched_from_again(world: World) -> None:
    """In a new epoch, which the gateway hears of; nothing that was stored is left out."""
    gateway = await world.gateway("gw", ROOM)
    await world.system.add_task()
    await world.post(ROOM, "a")
    await world.settled()

    await world.system.redis.restart()
    await world.post(ROOM, "b")
    await eventually(lambda: "b" in gateway.told(ROOM), within=10 + MARGIN)

    epochs = [batch.epoch for batch in gateway.batches if batch.shard == ids.shard_of(ROOM, SHARDS)]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == 2
    await world.settled()


async def test_dead_letters_are_listed_replayed_and_discarded_by_a_command(world: World) -> None:
    """What still cannot be decoded is set aside again, under its new id; a wrong command or setting exits with 2."""
    await world.system.add_task()
    shard = ids.shard_of(ROOM, SHARDS)
    async with world.system.redis.client() as client:
        await client.xadd(f"{{{PREFIX}:{shard}}}:dispatch", {"k": "p", "r": ROOM, "b": "torn"})
    letters: list[log.DeadLetter] = []

    async def has_others() -> bool:
        known = list(letters)
        letters[:] = await world.log.dead_letters(shard, 10)
        return bool(letters) and letters != known

    await eventually(has_others)
    [first] = letters
    code, listed = await command(world, "list")
    assert (code, listed.splitlines()[1].split()[:2]) == (0, [str(shard), str(first.entry.id)])

    assert await command(world, "replay", str(shard), str(first.entry.id)) == (
        0,
        f"{shard} {first.entry.id} is in dispatch again\n",
    )
    await eventually(has_others)
    [second] = letters
    assert second.entry.id > first.entry.id
    assert (await command(world, "replay-all"))[1] == f"{shard} {second.entry.id} is in dispatch again\n"
    assert (await command(world, "replay", str(shard), str(first.entry.id)))[0] == 1
    await eventually(has_others)
    assert (await command(world, "discard-all", str(shard)))[1].endswith(f"{letters[0].entry.id} is discarded\n")
    assert (await command(world, "list"))[1] == "0 dead letters\n"
    assert (await command(world, "replay", "99", "1-0"))[0] == 2
    world.system.secrets.redis_url.write_text("nonsense")
    assert (await command(world, "list"))[0] == 2


async def command(world: World, *words: str) -> tuple[int, str]:
    """Run the command where a task runs; its exit code and what it wrote."""
    environ = {**os.environ, **programs.task(world.system.secrets, 0, health=0).environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "chatcluster.task.deadletters", *words, env=environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    written, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, written.decode()
