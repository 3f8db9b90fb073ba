"""The task program over a real Redis, with gateways that are real gRPC servers of a few lines."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from chatcluster.core import errors, health, ids, redis, rpc_server
from chatcluster.core.ids import Incarnation, RoomName, ShardId, UserId
from chatcluster.core.redis_settings import Settings
from chatcluster.log import log
from chatcluster.log.redis import RedisLog
from chatcluster.presence.redis import RedisPresence
from chatcluster.v1 import connect_pb2, connect_pb2_grpc, types_pb2 as pb
from support import servers
from support.eventually import eventually
from support.servers import PASSWORD
from support.system import System
from support.tasking import running

SHARDS = 16
PREFIX = "chat:demo"
ANN, BOB = UserId(1), UserId(2)
TALK = ids.conversation(ANN, BOB)
ROOM = ids.room(7)
NEIGHBOURS = [name for n in range(8, 500) if ids.shard_of(name := ids.room(n), SHARDS) == ids.shard_of(ROOM, SHARDS)]
EVERYWHERE = [next(n for k in range(1, 500) if ids.shard_of(n := ids.room(k), SHARDS) == s) for s in range(SHARDS)]


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

    async def has_copies(self, user: UserId, *texts: str) -> bool:
        """Whether exactly these are in a user's inbox."""
        return await self.inbox(user) == list(texts)

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
