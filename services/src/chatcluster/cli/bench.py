"""A small load, to see what a deployment does: several connections talk in one room, and hear one another.

Owns the load and its figures. Does not own how they are shown (app). It is meant for a look, not for a benchmark: it is
one user, so a gateway's limits for a user and a connection hold for it.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from chatcluster.cli.credentials import Profile
from chatcluster.client import Client, items
from chatcluster.client.rest import Rest
from chatcluster.client.room import Room
from chatcluster.core import errors

SETTLE = 5.0
"""Seconds that the last messages have to be delivered in."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much is to be done."""

    clients: int
    seconds: float
    rate: float
    """Messages a second and connection."""
    gateways: Sequence[str] = ()


class Row(NamedTuple):
    """Figures of one kind of event; times in milliseconds."""

    name: str
    events: int
    per_second: float
    median: float
    p95: float
    worst: float


@dataclass
class Figures:
    """What was measured, in seconds."""

    acknowledged: list[float] = field(default_factory=list)
    """From sending to being told that it is stored."""
    delivered: list[float] = field(default_factory=list)
    """From sending to being shown, for each connection that heard it."""
    seconds: float = 0.0
    expected: int = 0
    """Deliveries that there should be; 0 while that is not known."""
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    """All of them came."""

    def note(self) -> None:
        """See whether all came."""
        if self.expected and len(self.delivered) >= self.expected:
            self.complete.set()

    def rows(self) -> list[Row]:
        """The table."""
        return [row("stored", self.acknowledged, self.seconds), row("delivered", self.delivered, self.seconds)]


def row(name: str, times: Sequence[float], seconds: float) -> Row:
    """Summarise times."""
    ordered = [1000 * each for each in sorted(times)] or [0.0]
    return Row(name, len(times), len(times) / seconds, _at(ordered, 0.5), _at(ordered, 0.95), ordered[-1])


async def run(profile: Profile, load: Load, advance: Callable[[float], None]) -> Figures:
    """Put the load on; `advance` is told how much of it is done, from 0 to 1."""
    async with Rest(profile.api, profile.token) as rest:
        urls = list(load.gateways) or await rest.gateways()
    if not urls:
        raise errors.Unavailable("the api tells of no gateway (CHATCLUSTER_API_WEBSOCKET_URL); give one: --gateway")
    name, figures = f"room:bench-{uuid.uuid4().hex[:12]}", Figures()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        rooms = []
        for number in range(load.clients):
            turned = urls[number % len(urls) :] + urls[: number % len(urls)]
            chat = await stack.enter_async_context(Client.connect(turned, token=profile.token))
            rooms.append(await chat.join(name))
        readers = [tasks.create_task(_listen(room, figures)) for room in rooms]
        begun = time.monotonic()
        await asyncio.gather(*(_talk(room, load, figures, advance) for room in rooms))
        figures.seconds = time.monotonic() - begun
        figures.expected = len(figures.acknowledged) * len(rooms)
        await _settle(figures)
        for reader in readers:
            reader.cancel()
    return figures


async def _talk(room: Room, load: Load, figures: Figures, advance: Callable[[float], None]) -> None:
    count = max(1, round(load.seconds * load.rate))
    begun = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / load.rate - time.monotonic()))
        sent = time.monotonic()
        await room.send(f"{sent:.6f}")
        figures.acknowledged.append(time.monotonic() - sent)
        advance(1 / (count * load.clients))


async def _listen(room: Room, figures: Figures) -> None:
    async for item in room:
        if isinstance(item, items.Message):
            figures.delivered.append(time.monotonic() - float(item.text))
            figures.note()


async def _settle(figures: Figures) -> None:
    figures.note()
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            await figures.complete.wait()


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
