"""Many clients at one gateway: those that never read, and those that never speak."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from support import system
from support.crowd import Crowd
from support.eventually import eventually
from support.publisher import MANY, OUTBOX, ROOM, Publisher, publisher
from support.system import System


async def reached(running: System, listeners: int, someone: Publisher) -> None:
    """Wait until one message is written to so many connections."""
    gateway = running.connect[0]

    async def delivered() -> bool:
        before = await gateway.metric("chat_deliveries_total")
        await someone.publish()
        await eventually(lambda: _grown(gateway.metric, before), what="a delivery")
        return await gateway.metric("chat_deliveries_total") - before >= listeners

    await eventually(delivered, within=60, every=0.2, what=f"a message to {listeners} connections")


async def _grown(metric: Callable[..., object], before: float) -> bool:
    value = await metric("chat_deliveries_total")  # type: ignore[misc]
    return bool(value > before)


async def test_clients_that_never_read_hurt_nobody(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """200 in a room at 200 messages/s: all closed as slow in 60 s, memory bounded, readers miss nothing."""
    async with system.running(tmp_path, counts=(1, 1, 1, 1), environ=MANY) as running, publisher(running) as ann:
        gateway = running.connect[0]
        async with Crowd(running.websocket_url(), ann.user.token, ROOM) as crowd:
            await crowd.visit(10)
            await crowd.visit_without_reading(200)
            await reached(running, 210, ann)
            before, pid, began = gateway.resident_bytes(), gateway.pid, asyncio.get_running_loop().time()
            async with ann.publishing(200):
                largest = await _all_cut_off(running, 200)
            seconds = asyncio.get_running_loop().time() - began
            history = await ann.history()
            await eventually(lambda: all(v.texts[-1:] == history[-1:] for v in crowd.visitors), within=30)
            growth = (largest - before) / 2**20
            figure(f"all cut off after {seconds:.0f} s and {len(history)} messages, RSS +{growth:.1f} MiB")
            for visitor in crowd.visitors:
                assert visitor.texts == history[-len(visitor.texts) :]
                assert visitor.closed is None
            assert await gateway.metric("chat_disconnects_total", code="4000") == 200
            assert largest - before <= OUTBOX * 200 * 1.2
            assert gateway.pid == pid


async def _all_cut_off(running: System, count: int) -> int:
    """Wait until so many connections were closed as slow; the most memory that the gateway had meanwhile."""
    gateway, largest = running.connect[0], [0]

    async def cut_off() -> bool:
        largest[0] = max(largest[0], gateway.resident_bytes())
        return await gateway.metric("chat_outbox_overflows_total") >= count

    await eventually(cut_off, within=60, every=0.2, what=f"{count} connections closed as slow")
    return largest[0]


async def test_idle_connections_live_on_and_are_reached(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """2,000 connections over three ping periods: none is lost, and then one message reaches all."""
    short = {"CHATCLUSTER_CONNECT_PING_INTERVAL": "4", "CHATCLUSTER_CONNECT_PING_TIMEOUT": "3"}
    environ = MANY | short
    async with system.running(tmp_path, counts=(1, 1, 1, 1), environ=environ) as running, publisher(running) as ann:
        gateway = running.connect[0]
        empty, began = gateway.resident_bytes(), asyncio.get_running_loop().time()
        async with Crowd(running.websocket_url(), ann.user.token, ROOM) as crowd:
            await crowd.visit(2000)
            await eventually(lambda: all(v.present for v in crowd.visitors), within=60, what="all present")
            seconds = asyncio.get_running_loop().time() - began
            full = gateway.resident_bytes()
            await eventually(lambda: min(v.pings for v in crowd.visitors) >= 3, within=60, what="three pings each")
            await ann.publish()
            await eventually(lambda: all(v.texts for v in crowd.visitors), within=20, what="one message for all")
            each = (full - empty) / len(crowd.visitors) / 1024
            figure(f"2,000 joined in {seconds:.1f} s, {each:.1f} KiB of RSS each, {full / 2**20:.0f} MiB in all")
            assert {visitor.closed for visitor in crowd.visitors} == {None}
            assert await gateway.metric("chat_connections") == 2000
        await eventually(lambda: _is_empty(running), within=20, what="all connections forgotten")


async def _is_empty(running: System) -> bool:
    return await running.connect[0].metric("chat_connections") == 0
