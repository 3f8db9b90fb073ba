"""Random frames at a live gateway, most of them from clients that are logged in."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from chatcluster.connect import framing
from support import system
from support.ammunition import Ammunition
from support.crowd import HANDSHAKE, Crowd, masked
from support.eventually import eventually
from support.publisher import MANY, ROOM, publisher
from support.rest import Api
from support.system import Process

FUZZERS = 8
WITHOUT_LIMITS = MANY | {
    "CHATCLUSTER_CONNECT_MESSAGE_RATE": "1000000",
    "CHATCLUSTER_CONNECT_MESSAGE_BURST": "1000000",
    "CHATCLUSTER_CONNECT_CONTROL_RATE": "1000000",
}
"""The rates would end most connections before they have done any harm."""


class Fuzzer:
    """A client that comes back whenever its connection was ended."""

    def __init__(self, ammunition: Ammunition, gateway: Process, count: Counter[str]) -> None:
        self._ammunition = ammunition
        self._gateway = gateway
        self._count = count

    async def run(self, shots: int) -> None:
        """Send so many."""
        while shots > 0:
            protocol = self._ammunition.random.choice(["websocket", "tcp"])
            reader, writer = await asyncio.open_connection("127.0.0.1", self._gateway.ports[protocol])
            try:
                shots -= await self._visit(protocol, reader, writer, shots)
            finally:
                writer.transport.abort()

    async def _visit(self, protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int) -> int:
        known = self._ammunition.random.random() < 0.8
        if known:
            await self._authenticate(protocol, reader, writer)
        elif protocol == "websocket":
            writer.write(HANDSHAKE)
        draining = asyncio.create_task(_discard(reader))
        sent = 0
        while sent < most and not draining.done():
            shot = self._ammunition.websocket() if protocol == "websocket" else self._ammunition.tcp()
            writer.write(shot.data)
            sent += 1
            self._count.update(["sent", *["authenticated"] * known, *["decoded"] * shot.decoded])
            with suppress(ConnectionError):
                await writer.drain()
            if shot.last:
                break
        await asyncio.wait([draining], timeout=0.02 if known else 0)
        draining.cancel()
        await asyncio.wait([draining])
        return sent

    async def _authenticate(self, protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a room where nobody else is, and wait to be told who is there."""
        room = self._ammunition.random.randrange(10_000, 20_000)
        token = self._ammunition.token
        if protocol == "websocket":
            writer.write(HANDSHAKE + masked(json.dumps({"authToken": token, "roomId": room}).encode()))
        else:
            writer.write(framing.frame(json.dumps({"authToken": token, "roomId": room, "op": 6}).encode()))
        async with asyncio.timeout(20):
            await reader.readuntil(b'"op":5')


async def _discard(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass


@pytest.fixture
def shots(request: pytest.FixtureRequest) -> int:
    """Return how many frames are sent: 100,000 with --full, else 4,000."""
    return 100_000 if request.config.getoption("--full") else 4_000


async def test_random_frames_hurt_nobody_else(tmp_path: Path, shots: int, figure: Callable[[str], None]) -> None:
    """The same process goes on, without a traceback, in bounded memory, and a neighbour receives every message."""
    seed = random.SystemRandom().randrange(10**6)
    environ = WITHOUT_LIMITS
    async with system.running(tmp_path, counts=(1, 1, 1, 1), environ=environ) as running, publisher(running) as ann:
        gateway, count = running.connect[0], Counter[str]()
        mallory = await _register(running.api_url)
        async with Crowd(running.websocket_url(), ann.user.token, ROOM) as crowd:
            await crowd.visit(1)
            (neighbour,) = crowd.visitors
            await eventually(lambda: neighbour.present)
            pid, before = gateway.pid, gateway.resident_bytes()
            async with ann.publishing(20):
                fuzzers = [Fuzzer(Ammunition(seed + n, mallory), gateway, count) for n in range(FUZZERS)]
                await asyncio.gather(*(fuzzer.run(shots // FUZZERS) for fuzzer in fuzzers))
            growth = (gateway.resident_bytes() - before) / 2**20
            history = await ann.history()
            await eventually(lambda: neighbour.texts == history, within=20, what="every message at the neighbour")
        figure(f"seed {seed}, {dict(count)}, RSS {growth:+.1f} MiB, {len(history)} messages at the neighbour")
        assert count["sent"] >= shots
        assert count["authenticated"] >= count["sent"] / 2
        assert count["decoded"] >= count["sent"] / 3
        assert gateway.running
        assert gateway.pid == pid
        assert "Traceback" not in system.logged(running.processes)
        assert growth < 50


async def _register(url: str) -> str:
    async with Api(url) as api:
        return (await api.register("mallory")).token
