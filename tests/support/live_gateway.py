"""A whole gateway on real sockets in the test's own process, with logic in memory and a task of a few lines."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import websockets
from websockets.asyncio.client import ClientConnection

from chatcluster.connect import deliver, framing
from chatcluster.connect.gateway import Gateway, Ports
from chatcluster.connect.settings import Limits, Settings
from chatcluster.core import health, ids
from chatcluster.core.ids import RoomName, StreamId, UserId
from chatcluster.log import log
from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support.domain import World
from support.eventually import eventually
from support.gateway import DEFAULT, LogicInMemory

ADDRESS = "127.0.0.1:1"
TICK = 0.05


class LiveGateway:
    """A gateway that runs, and what is around it."""

    def __init__(self, gateway: Gateway, logic: LogicInMemory, world: World, ports: Ports) -> None:
        self.gateway = gateway
        self.logic = logic
        self.world = world
        self.ports = ports
        self._sent: dict[int, StreamId] = {}
        self._numbers = iter(range(1, 10**9))

    async def token(self, name: str) -> str:
        """A new user; its name is its session's token."""
        await self.world.user(name)
        return name

    @asynccontextmanager
    async def websocket(self, **options: Any) -> AsyncIterator[ClientConnection]:
        """Yield a websocket client."""
        options.setdefault("ping_interval", None)
        async with websockets.connect(self.uri, compression=None, proxy=None, **options) as client:
            yield client

    async def member(self, client: ClientConnection, token: str, room: int) -> None:
        """Join, and wait until the room is registered."""
        await client.send(json.dumps({"authToken": token, "roomId": room}))
        await self.joined(room)

    async def joined(self, room: int, listeners: int = 1) -> None:
        """Wait until so many connections hear a room that is registered."""
        await self.heard(ids.room(room), listeners)

    async def heard(self, name: RoomName, listeners: int) -> None:
        """Wait until so many connections hear any kind of room that is registered."""
        hub = self.gateway.hub
        await eventually(
            lambda: len(list(hub.listeners(name))) >= listeners and hub.rooms[name].joined, what=f"joins of {name}"
        )

    def listeners(self, room: int) -> int:
        """How many connections hear a room."""
        return len(list(self.gateway.hub.listeners(ids.room(room))))

    async def join_tcp(self, writer: asyncio.StreamWriter, token: str, room: int) -> None:
        """Join with a TCP client, and wait until one more connection hears the room."""
        before = self.listeners(room)
        writer.write(framing.frame(json.dumps({"authToken": token, "roomId": room, "op": 6}).encode()))
        await self.joined(room, before + 1)

    @property
    def uri(self) -> str:
        """Where websockets are."""
        return f"ws://127.0.0.1:{self.ports.websocket}/ws"

    @asynccontextmanager
    async def tcp(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Yield a TCP client."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.tcp)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def publish_private(self, sender: int, recipient: int, text: str) -> None:
        """Put copies of a private message into both inboxes, and hand them to the gateway."""
        body = pb.Message(id="m", from_user_id=sender, to_user_id=recipient, text=text).SerializeToString()
        for user in (sender, recipient):
            inbox = ids.inbox(UserId(user))
            message_id = f"m-{next(self._numbers)}"
            await self.world.log.publish(log.Draft(inbox, UserId(sender), message_id, body, bytes(8)))
            await self.dispatch(inbox)

    async def publish(self, room: int, *texts: str) -> None:
        """Publish, and hand all that is in dispatch to the gateway."""
        name = ids.room(room)
        for text in texts:
            await self.world.post(name, text, f"m-{next(self._numbers)}")
        await self.dispatch(name)

    async def dispatch(self, room: str) -> None:
        """Hand what is new in a room's shard to the gateway, as its task would."""
        shard = ids.shard_of(room, self.world.shards)
        after = self._sent.get(shard, ids.ZERO)
        entries = [entry for entry in self.world.dispatched(room) if entry.id > after]
        if not entries:
            return
        self._sent[shard] = entries[-1].id
        batch = connect_pb2.Batch(
            shard=shard,
            epoch=self.world.server.shards[shard].epoch,
            prev=pb.StreamId(ms=after.ms, seq=after.seq),
            upto=pb.StreamId(ms=entries[-1].id.ms, seq=entries[-1].id.seq),
            publications=[entry.publication for entry in entries if entry.publication],
            ephemerals=[entry.ephemeral for entry in entries if entry.ephemeral],
            controls=[entry.control for entry in entries if entry.control],
        )
        incarnation = self.gateway.lease.incarnation
        request = connect_pb2.DeliverRequest(cluster="demo", incarnation=incarnation, batches=[batch])
        await self.gateway.service.Deliver(request, cast(Any, None))
        await asyncio.sleep(0)  # a call over a network would let the loop go on


@asynccontextmanager
async def running(limits: Limits | None = None, **changes: Any) -> AsyncIterator[LiveGateway]:
    """Run a gateway as long as the block."""
    world = World(limits=log.Limits(room_rate=1e6, room_burst=10**6))
    logic = LogicInMemory(world)
    settings: Settings = replace(DEFAULT, websocket_port=0, tcp_port=0, limits=limits or DEFAULT.limits, **changes)
    async with asyncio.TaskGroup() as tasks:
        spawned: set[asyncio.Task[None]] = set()

        def spawn(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
            task = tasks.create_task(coroutine, name=name)
            spawned.add(task)
            task.add_done_callback(spawned.discard)
            return task

        spawn(_tick(world), "clock")
        gateway = Gateway(settings, deliver.Cluster("demo", world.shards), logic, health.Readiness(), spawn)
        ports = await gateway.start(ADDRESS)
        await eventually(lambda: gateway.lease.is_held)
        try:
            yield LiveGateway(gateway, logic, world, ports)
        finally:
            gateway.refuse_newcomers()
            for connection in list(gateway.host.open):
                connection.transport.abort()
            await eventually(lambda: not gateway.host.open)
            for task in list(spawned):
                task.cancel()


async def _tick(world: World) -> None:
    """Let logic's clock go with the real one."""
    while True:
        await asyncio.sleep(TICK)
        world.clock.time += TICK


async def frames(reader: asyncio.StreamReader, op: int, count: int) -> list[dict[str, Any]]:
    """The next `count` bodies of one op that a TCP client receives."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            header = await reader.readexactly(framing.HEADER_BYTES)
            payload = await reader.readexactly(int.from_bytes(header[2:], "big") - framing.HEADER_BYTES)
            body = json.loads(payload) if payload != b"ping msg" else {"op": 0}
            found += [body] if body["op"] == op else []
    return found


async def bodies(client: ClientConnection, op: int, count: int) -> list[dict[str, Any]]:
    """The next `count` bodies of one op that a websocket client receives."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            body = json.loads(await client.recv())
            found += [body] if body["op"] == op else []
    return found
