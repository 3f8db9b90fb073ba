"""A gateway's parts for tests: over logic's real service on ports in memory, and with clients that need no network."""

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from google.protobuf.message import Message
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from chatcluster.connect import dialects, framing
from chatcluster.connect.admission import Admission
from chatcluster.connect.connection import Connection, Dialects, Host
from chatcluster.connect.deadlines import Deadlines
from chatcluster.connect.hub import Hub
from chatcluster.connect.joins import Joins
from chatcluster.connect.logic import Logic
from chatcluster.connect.membership import Membership
from chatcluster.connect.observation import Observation
from chatcluster.connect.presence import Presence, Reporter
from chatcluster.connect.registrar import Registrar
from chatcluster.connect.sends import Sends
from chatcluster.connect.sessions import Sessions
from chatcluster.connect.settings import Limits, Settings
from chatcluster.connect.tcp import TcpConnection
from chatcluster.connect.v1_client import Services
from chatcluster.connect.websocket import WebsocketConnection
from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.logic import passwords
from chatcluster.v1 import connect_pb2, types_pb2 as pb
from support.domain import CHEAP, World
from support.eventually import eventually

DEFAULT = Settings.from_env({})
INCARNATION = Incarnation("gw/1")


class LogicInMemory:
    """Logic, called without a network. A test can take it away, and look at what it was asked."""

    def __init__(self, world: World) -> None:
        self._passwords = passwords.Passwords(CHEAP)
        self._service = world.service(self._passwords)
        self.failure: errors.ChatError | None = None
        """What every call raises instead of being made."""
        self.afterwards: errors.ChatError | None = None
        """What every call raises after it was made: its answer is lost."""
        self.answering = asyncio.Event()
        """Calls wait for it."""
        self.answering.set()
        self.asked: list[tuple[str, Any]] = []

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Make a call, as `core.rpc_pool.Pool` does."""
        self.asked.append((method, request))
        async with asyncio.timeout(timeout):
            await self.answering.wait()
        if self.failure is not None:
            raise self.failure
        response = await getattr(self._service, method)(request, cast(Any, None))
        if self.afterwards is not None:
            raise self.afterwards
        return response

    def times(self, method: str) -> int:
        """How often a method was called."""
        return sum(name == method for name, _ in self.asked)


class MemoryTransport(asyncio.Transport):
    """A socket without a network: keeps what is written, and calls its protocol as uvloop's transport does."""

    def __init__(self, protocol: asyncio.Protocol, peer: str = "203.0.113.7") -> None:
        super().__init__({"peername": (peer, 4711)})
        self._protocol = protocol
        self._high = 0
        self._paused = False
        self.written = bytearray()
        self.unread = 0
        """Bytes that wait to be read while the peer `is_stuck`."""
        self.is_stuck = False
        self.ended = False
        """This side wrote its last."""
        self.lost = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high is not None
        self._high = high

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "a transport must not be written to after write_eof"
        if self.lost:
            return
        self.written += data
        if self.is_stuck:
            self.unread += len(data)
            if self.unread > self._high and not self._paused:
                self._paused = True
                self._protocol.pause_writing()

    def read(self) -> None:
        """Let the peer read all that waits, and go on reading."""
        self.is_stuck, self.unread = False, 0
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()

    def write_eof(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.lost

    def close(self) -> None:
        self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def vanish(self) -> None:
        """The peer is gone, and the kernel has noticed."""
        self._lose(TimeoutError())

    def _lose(self, exc: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, exc)


class Client:
    """The other end of a connection, in the words that both protocols share."""

    connection: Connection
    transport: MemoryTransport

    def send(self, **fields: object) -> None:
        """Send a frame with these fields."""
        self.send_payload(json.dumps(fields).encode())

    def join(self, token: str, room: int) -> None:
        """Authenticate and join, or switch rooms."""
        raise NotImplementedError

    def send_payload(self, payload: bytes) -> None:
        """Send a frame with this payload."""
        raise NotImplementedError

    def payloads(self) -> list[bytes]:
        """What stood in the frames that were received so far."""
        raise NotImplementedError

    def bodies(self) -> list[dict[str, Any]]:
        """All JSON that was received so far."""
        return [json.loads(payload) for payload in self.payloads() if payload != b"ping msg"]

    @property
    def code(self) -> int | None:
        """What a client makes of the end: the code of a close frame, 1006 for none (and always on TCP), None before."""
        raise NotImplementedError

    def shown(self, op: int) -> list[dict[str, Any]]:
        """The bodies of one op."""
        return [body for body in self.bodies() if body["op"] == op]

    async def until_closed(self) -> None:
        """Wait until the server has ended the connection, and end this side too."""
        await eventually(lambda: self.transport.lost or self.transport.ended)
        self.transport.close()
        await eventually(lambda: self.connection.is_ending)


class TcpClient(Client):
    """A TCP client of gochat's."""

    def __init__(self, host: Host, spoken: Dialects, peer: str = "203.0.113.7") -> None:
        self.connection = TcpConnection(host, spoken)
        self.transport = MemoryTransport(self.connection, peer)
        self.connection.connection_made(self.transport)

    def join(self, token: str, room: int) -> None:
        self.send(authToken=token, roomId=room, op=6)

    def send_payload(self, payload: bytes) -> None:
        self.connection.data_received(framing.frame(payload))

    def payloads(self) -> list[bytes]:
        return list(framing.Frames().feed(bytes(self.transport.written)))

    @property
    def code(self) -> int | None:
        return 1006 if self.transport.ended or self.transport.lost else None


class WebsocketClient(Client):
    """A websocket client of gochat's, on websockets' own client protocol."""

    def __init__(
        self, host: Host, spoken: Dialects, path: str = "/ws", *, subprotocol: str | None = None, **headers: str
    ) -> None:
        self.connection = WebsocketConnection(host, spoken)
        self.transport = MemoryTransport(self.connection)
        offered = [Subprotocol(subprotocol)] if subprotocol else None
        self.protocol = ClientProtocol(parse_uri(f"ws://gateway{path}"), subprotocols=offered)
        self._read = 0
        self._frames: list[Frame] = []
        self.answers_pings = True
        self.connection.connection_made(self.transport)
        request = self.protocol.connect()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        self.protocol.send_request(request)
        self._exchange()

    def join(self, token: str, room: int) -> None:
        self.send(authToken=token, roomId=room)

    def send_payload(self, payload: bytes) -> None:
        self.protocol.send_text(payload)
        self._exchange()

    def payloads(self) -> list[bytes]:
        self._exchange()
        return [bytes(frame.data) for frame in self._frames if frame.opcode is Opcode.TEXT]

    def pings(self) -> int:
        """How many pings came."""
        self._exchange()
        return sum(frame.opcode is Opcode.PING for frame in self._frames)

    @property
    def code(self) -> int | None:
        self._exchange()
        if self.protocol.close_rcvd is not None:
            return int(self.protocol.close_rcvd.code)
        return 1006 if self.transport.lost else None

    def _exchange(self) -> None:
        """Move bytes in both directions until there are none."""
        while True:
            to_server = b"".join(self.protocol.data_to_send())
            if to_server and self.answers_pings and not self.transport.lost:
                self.connection.data_received(to_server)
            to_client = bytes(self.transport.written[self._read :])
            self._read += len(to_client)
            if not to_client and not to_server:
                return
            if to_client:
                self.protocol.receive_data(to_client)
            self._frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]


class Rig:
    """The parts of a gateway, on logic in memory and a clock that only tests move."""

    def __init__(self, world: World | None = None, limits: Limits | None = None) -> None:
        self.world = world or World()
        self.logic = LogicInMemory(self.world)
        clock, dice = self.world.clock, random.Random(1)
        logic = Logic(self.logic)
        self.hub = Hub(
            shards=self.world.shards, incarnation=INCARNATION, random=dice, observer=Observation(self.world.clock)
        )
        self.presence = Presence(dice)
        limits = limits or DEFAULT.limits
        self.membership = Membership(self.hub, self.presence, limits.per_user, clock, self._changed)
        self.sessions = Sessions(logic, self.membership, limits.connections, dice)
        self.joins = Joins(self.hub, self.membership, logic, clock, dice)
        self.registrar = Registrar(self.hub, logic, clock, self._registered)
        self.reporter = Reporter(self.presence, logic, lambda: INCARNATION, clock)
        numbers = itertools.count(1)
        self.sends = Sends(logic, lambda: f"m-{next(numbers)}", clock, dice, self._spawn)
        self.host = Host(
            limits=limits,
            origins=(),
            proxies=DEFAULT.proxies,
            clock=clock,
            admission=Admission(limits),
            deadlines=Deadlines(1.0, clock()),
            membership=self.membership,
            sessions=self.sessions,
        )
        services = Services(
            logic=logic,
            sends=self.sends,
            joins=self.joins,
            spawn=self._spawn,
            now_ms=lambda: int(clock() * 1000),
        )
        self.tcp = dialects.over_tcp(services, DEFAULT.zone)
        self.websocket = dialects.over_websocket(services, DEFAULT.zone)
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Rig"]:
        """Have everything that runs beside a gateway's connections run, under a lease."""
        await self.world.presence.acquire(INCARNATION, "127.0.0.1:1")
        async with asyncio.TaskGroup() as self._tasks:
            running = [
                self._tasks.create_task(part)
                for part in (self.registrar.run(), self.reporter.run(), self.sessions.run(), self.joins.run())
            ]
            yield self
            for task in running:
                task.cancel()

    def client(self, protocol: str, host: Host | None = None) -> Client:
        """Connect."""
        host = host or self.host
        return TcpClient(host, self.tcp) if protocol == "tcp" else WebsocketClient(host, self.websocket)

    async def token(self, name: str) -> str:
        """A new user; its name is its session's token."""
        await self.world.user(name)
        return name

    def inbox(self, user: int) -> RoomName:
        """A user's inbox."""
        return ids.inbox(ids.UserId(user))

    def pass_time(self, seconds: float) -> None:
        """Let the clock go on and the sweep look after what is due."""
        self.world.clock.time += seconds
        for connection in self.host.deadlines.sweep(self.world.clock()):
            connection.expire()
        self.joins.tick()
        self.registrar.wake()
        self.reporter.wake()

    async def member(self, protocol: str, token: str, room: int) -> Client:
        """A client that is in a room, and the room is registered."""
        client = self.client(protocol)
        client.join(token, room)
        name = RoomName(f"room:{room}")
        await eventually(lambda: client.connection.room == name and self.hub.rooms[name].joined)
        return client

    def deliver(self, room: int, *texts: str, offset: int = 1) -> None:
        """Hand publications of a room to the hub, as task would."""
        name = RoomName(f"room:{room}")
        known = self.hub.rooms[name]
        publications = [
            pb.Publication(
                room=name,
                epoch=known.epoch,
                offset=offset + number,
                time_ms=int(self.world.clock() * 1000),
                body=pb.Message(from_user_id=1, from_user_name="ann", text=text).SerializeToString(),
            )
            for number, text in enumerate(texts)
        ]
        epoch = known.epoch.rpartition(".")[0]
        self.hub.deliver(
            connect_pb2.Batch(shard=known.shard, epoch=epoch, publications=publications), self.world.clock()
        )

    def _changed(self) -> None:
        self.registrar.wake()
        self.reporter.wake()

    def _registered(self, rooms: Mapping[RoomName, str]) -> None:
        self.sessions.registered(rooms)
        self.joins.registered(rooms)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        assert self._tasks is not None
        return self._tasks.create_task(coroutine, name=name)


def limits(**changes: Any) -> Limits:
    """The default limits with some changed."""
    return replace(DEFAULT.limits, **changes)
