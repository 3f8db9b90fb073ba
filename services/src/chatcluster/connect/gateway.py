"""A gateway: its parts, put together and kept going.

Owns which part knows which, and the one sweep that looks after every deadline. Does not own what any part does, nor how
a gateway ends (drain). There is one event loop, one thread, and a handful of tasks however many connections there are.
"""

import asyncio
import random
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from chatcluster.connect import deliver, dialects, lease, listening
from chatcluster.connect.admission import Admission
from chatcluster.connect.connection import Connection, Host
from chatcluster.connect.deadlines import Deadlines
from chatcluster.connect.hub import Hub
from chatcluster.connect.joins import Joins
from chatcluster.connect.lease import Lease
from chatcluster.connect.logic import Calls, Logic
from chatcluster.connect.membership import Membership
from chatcluster.connect.observation import Observation
from chatcluster.connect.presence import JITTER, Presence, Reporter
from chatcluster.connect.registrar import Registrar
from chatcluster.connect.sends import Sends
from chatcluster.connect.sessions import Sessions
from chatcluster.connect.settings import Limits, Settings
from chatcluster.connect.tcp import TcpConnection
from chatcluster.connect.v1_client import Services
from chatcluster.connect.websocket import WebsocketConnection
from chatcluster.core import health, telemetry
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.v1 import connect_pb2_grpc

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Runs a coroutine under a name until the program ends; its crash ends the program."""

STALL = 2.0
"""Seconds by which a sweep may come late before deadlines wait for the loop to read what came meanwhile."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where clients connect."""

    websocket: int
    tcp: int


class Gateway:
    """One connect process. `start` begins everything; `drain.drain` ends it."""

    def __init__(
        self, settings: Settings, cluster: deliver.Cluster, calls: Calls, readiness: health.Readiness, spawn: Spawn
    ) -> None:
        self._settings = settings
        self._spawn = spawn
        self.readiness = readiness
        self.clock = clock = time.monotonic
        logic, dice = Logic(calls), random.Random()  # noqa: S311 - jitter is no secret
        self.lease = Lease(logic, self._new_incarnation, clock, readiness.dependency("lease"))
        self.hub = Hub(
            shards=cluster.shards, incarnation=self.lease.incarnation, random=dice, observer=Observation(time.time)
        )
        self.presence = Presence(dice)
        self.membership = Membership(self.hub, self.presence, settings.limits.per_user, clock, self._changed)
        self.sessions = Sessions(logic, self.membership, settings.limits.connections, dice)
        self.joins = Joins(self.hub, self.membership, logic, clock, dice)
        self.registrar = Registrar(self.hub, logic, clock, self._registered)
        self.reporter = Reporter(self.presence, logic, self._held_incarnation, clock)
        self.service = deliver.ConnectService(
            cluster, self.hub, self.lease, self.membership, clock, self.registrar.wake
        )
        self.host = Host(
            limits=settings.limits,
            origins=settings.origins,
            proxies=settings.proxies,
            clock=clock,
            admission=Admission(settings.limits),
            deadlines=Deadlines(_resolution(settings.limits), clock()),
            membership=self.membership,
            sessions=self.sessions,
        )
        self._services = Services(
            logic=logic,
            sends=Sends(logic, lambda: secrets.token_hex(16), clock, dice, spawn),
            joins=self.joins,
            spawn=spawn,
            now_ms=lambda: int(time.time() * 1000),
        )
        self._servers: list[asyncio.Server] = []
        self._renewal: asyncio.Task[None] | None = None

    async def start(self, address: str) -> Ports:
        """Accept clients, and take a lease under which Deliver is reached at `address`. Raises `WrongSetting`."""
        listening.allow(self._settings.limits.connections)
        telemetry.CONNECTIONS_LIMIT.set(self._settings.limits.connections)
        listeners = lease.Listeners(replaced=self._replaced, another_died=self._another_died)
        self._spawn(self.registrar.run(), "registrar")
        self._spawn(self.reporter.run(), "presence")
        self._spawn(self.sessions.run(), "sessions")
        self._spawn(self.joins.run(), "joins")
        self._spawn(self._sweep(), "sweep")
        self._renewal = self._spawn(self.lease.run(address, listeners), "lease")
        return Ports(websocket=await self._listen_websocket(), tcp=await self._listen_tcp())

    def refuse_newcomers(self) -> None:
        """Accept nobody from now on."""
        self.readiness.drain()
        for server in self._servers:
            server.close()

    async def retire(self) -> None:
        """Give up the lease; to be called when no client is left."""
        if self._renewal is not None:
            self._renewal.cancel()
        await self.lease.release()

    def register(self, server: grpc.aio.Server) -> None:
        """Serve Deliver on a gRPC server."""
        connect_pb2_grpc.add_ConnectServiceServicer_to_server(self.service, server)

    async def _listen_websocket(self) -> int:
        settings = self._settings
        spoken = dialects.over_websocket(self._services, settings.zone)
        listener = listening.bind(
            settings.host, settings.websocket_port, "CONNECT_WEBSOCKET_PORT", settings.limits.send_buffer_bytes
        )
        return await self._listen(listener, lambda: WebsocketConnection(self.host, spoken))

    async def _listen_tcp(self) -> int:
        settings = self._settings
        spoken = dialects.over_tcp(self._services, settings.zone)
        limits = settings.limits
        listener = listening.bind(
            settings.host, settings.tcp_port, "CONNECT_TCP_PORT", limits.send_buffer_bytes, limits.unacknowledged
        )
        return await self._listen(listener, lambda: TcpConnection(self.host, spoken))

    async def _listen(self, listener: socket.socket, factory: Callable[[], Connection]) -> int:
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(factory, sock=listener, backlog=listening.BACKLOG))
        port: int = listener.getsockname()[1]
        return port

    async def _sweep(self) -> None:
        deadlines = self.host.deadlines
        last = self.clock()
        while True:
            await asyncio.sleep(deadlines.resolution)
            if self.clock() - last > deadlines.resolution + STALL:
                # The process was stopped, or held up: what peers sent meanwhile is read before anybody is judged.
                await asyncio.sleep(deadlines.resolution)
            last = self.clock()
            for connection in deadlines.sweep(last):
                connection.expire()
            self.hub.tick(last)
            self.joins.tick()
            self.registrar.wake()
            telemetry.ROOMS.set(len(self.hub.rooms))

    # -- who tells whom

    def _new_incarnation(self) -> Incarnation:
        return Incarnation(f"{self._settings.name}/{secrets.token_hex(8)}")

    def _held_incarnation(self) -> Incarnation | None:
        return self.lease.incarnation if self.lease.is_held else None

    def _changed(self) -> None:
        self.registrar.wake()
        self.reporter.wake()

    def _registered(self, rooms: Mapping[RoomName, str]) -> None:
        self.sessions.registered(rooms)
        self.joins.registered(rooms)
        # Redis may have come back without what was reported; a room that was just joined is being reported anyway.
        self.presence.restate(self.clock(), [room for room, reason in rooms.items() if reason != "join"])
        self.reporter.wake()

    def _replaced(self, incarnation: Incarnation) -> None:
        self.hub.reincarnate(incarnation, self.clock())
        self.presence.restate(self.clock())
        self._changed()

    def _another_died(self) -> None:
        self.presence.restate(self.clock(), jitter=JITTER)
        self.reporter.wake()


def _resolution(limits: Limits) -> float:
    return min(1.0, limits.ping_interval / 4, limits.ping_timeout / 4, limits.auth_deadline / 4)
