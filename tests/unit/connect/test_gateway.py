import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from chatcluster.connect import deliver
from chatcluster.connect.gateway import Gateway
from chatcluster.core import health
from chatcluster.core.ids import Incarnation, RoomName
from support.domain import World
from support.gateway import DEFAULT, LogicInMemory, Rig, TcpClient


@pytest.fixture
def gateway() -> Gateway:
    """A gateway that was put together and not started: nothing of it runs."""

    def spawn(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        raise AssertionError(name)

    logic = LogicInMemory(World())
    return Gateway(DEFAULT, deliver.Cluster("demo", 4), logic, health.Readiness(), spawn)


def test_it_has_no_lease_before_it_took_one(gateway: Gateway) -> None:
    """It is not ready, and Deliver would be refused."""
    assert not gateway.lease.is_held
    assert not gateway.readiness.ready
    assert gateway.lease.incarnation.startswith("gateway/")
    assert gateway.hub.incarnation == gateway.lease.incarnation


def test_new_incarnation_reaches_hub_and_presence(gateway: Gateway) -> None:
    """Every room proves itself again, and states anew who is in it."""
    client = TcpClient(gateway.host, Rig().tcp)
    gateway.presence.enter(RoomName("room:1"), client.connection, gateway.clock())
    gateway.presence.take(gateway.clock())
    gateway._replaced(Incarnation("gateway/2"))

    assert gateway.hub.incarnation == "gateway/2"
    assert gateway.presence.next_due < gateway.clock() + 2


def test_registered_rooms_restate_their_presence_unless_just_joined(gateway: Gateway) -> None:
    """A room that had to prove itself may have been forgotten; one that was joined is being reported anyway."""
    client = TcpClient(gateway.host, Rig().tcp)
    for name in ("room:1", "room:2"):
        gateway.presence.enter(RoomName(name), client.connection, 0.0)
    gateway.presence.take(0.0)
    gateway._registered({RoomName("room:1"): "join", RoomName("room:2"): "unsound"})

    assert [report.room for report in gateway.presence.take(gateway.clock() + 5)] == ["room:2"]
