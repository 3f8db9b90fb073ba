import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import Message
from prometheus_client import REGISTRY

from chatcluster.connect import v1_codec
from chatcluster.connect.hub import Hub
from chatcluster.connect.logic import Logic
from chatcluster.connect.observation import Observation
from chatcluster.connect.registrar import Registrar
from chatcluster.connect.room import Codec
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from support.domain import World
from support.eventually import eventually
from support.gateway import INCARNATION, LogicInMemory

ROOM = RoomName("room:1")


class Listener:
    """A connection that nobody reads."""

    def __init__(self) -> None:
        self.codec: Codec = v1_codec.Codec("plain", bytes, 1000)

    def write(self, data: bytes) -> None:
        pass


class Forgetful(LogicInMemory):
    """A logic that forgets all rooms in its first answer."""

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        response = await super().call(method, request, timeout=timeout)
        if self.times("RegisterRooms") == 1:
            response.ClearField("registrations")
        return response


class Gateway:
    """A hub and the calls it asks for, on real time."""

    def __init__(self, logic: LogicInMemory | None = None) -> None:
        self.logic = logic or LogicInMemory(World())
        self.told: list[Mapping[RoomName, str]] = []
        self.hub = Hub(shards=4, incarnation=INCARNATION, random=random.Random(1), observer=Observation(lambda: 0.0))
        self.registrar = Registrar(self.hub, Logic(self.logic), self.now, self.told.append)

    def now(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the registrar run."""
        task = asyncio.create_task(self.registrar.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_the_hub_asks_is_called() -> None:
    """A room that was entered is registered, one that was left is unregistered; then there is nothing to do."""
    gateway, listener = Gateway(), Listener()
    async with gateway.running():
        gateway.hub.enter(ROOM, listener, gateway.now())
        busy = not gateway.registrar.is_idle
        gateway.registrar.wake()
        await eventually(lambda: gateway.told)
        gateway.hub.exit(ROOM, listener)
        gateway.registrar.wake()
        await eventually(lambda: gateway.registrar.is_idle)

    assert busy
    assert gateway.told == [{ROOM: "join"}]
    assert [method for method, _ in gateway.logic.asked] == ["RegisterRooms", "UnregisterRooms"]


async def test_call_that_fails_is_repeated_without_being_woken() -> None:
    """When logic comes back, the rooms are registered."""
    gateway = Gateway()
    gateway.logic.failure = errors.Unavailable()
    async with gateway.running():
        gateway.hub.enter(ROOM, Listener(), gateway.now())
        gateway.registrar.wake()
        await eventually(lambda: gateway.logic.times("RegisterRooms") > 1)
        gateway.logic.failure = None
        await eventually(lambda: gateway.told)

    assert gateway.hub.rooms[ROOM].joined


async def test_answer_for_other_rooms_is_no_answer() -> None:
    """A logic that answers for too few rooms must not end the gateway."""
    gateway = Gateway(Forgetful(World()))
    async with gateway.running():
        gateway.hub.enter(ROOM, Listener(), gateway.now())
        gateway.registrar.wake()
        await eventually(lambda: gateway.told)

    assert gateway.logic.times("RegisterRooms") == 2


async def test_registrations_are_counted_by_reason() -> None:
    """So that operators see why rooms are registered."""
    before = REGISTRY.get_sample_value("chat_registrations_total", {"reason": "join"}) or 0
    gateway = Gateway()
    async with gateway.running():
        gateway.hub.enter(ROOM, Listener(), gateway.now())
        gateway.registrar.wake()
        await eventually(lambda: gateway.told)

    assert REGISTRY.get_sample_value("chat_registrations_total", {"reason": "join"}) == before + 1
