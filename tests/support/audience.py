"""The Python client by the hundred in one process: each a user of its own, in one room and in its inbox.

Owns connecting them at a pace, and what each was shown and when it came back. What one may show is judged by `shown`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self

from chatcluster.client import Client
from chatcluster.client.events import Changed, Phase
from chatcluster.client.room import Room
from support.rest import Api, User
from support.shown import Shown
from support.system import System

AT_ONCE = 25
"""Who register or connect together."""


@dataclass(eq=False)
class Listener:
    """One client, which tries its gateways in turn, and shows its room."""

    user: User
    name: str
    """Of its room."""
    urls: Sequence[str]
    shown: Shown = field(default_factory=Shown)
    changes: list[tuple[float, Phase]] = field(default_factory=list)
    """Connections and their ends, by the loop's clock."""
    room: Room | None = None
    fault: AssertionError | None = None
    reading: asyncio.Task[None] | None = None

    async def connect(self, stack: AsyncExitStack) -> None:
        """Be there until the stack is closed."""
        client = Client.connect(self.urls, token=self.user.token, within=30, on_change=self._note)
        chat = await stack.enter_async_context(client)
        await chat.inbox()
        self.room = await chat.join(self.name)
        self.reading = asyncio.create_task(self._read(self.room))

    @property
    def offset(self) -> int:
        """How far its room was shown."""
        assert self.room
        return self.room.position.offset

    @property
    def is_there(self) -> bool:
        """Whether a connection stands."""
        return self.changes[-1][1] is Phase.OPEN

    def back_after(self, moment: float) -> float:
        """Seconds from a moment to the last connection that was made since; 0: there was none."""
        return max([at - moment for at, phase in self.changes if phase is Phase.OPEN and at > moment], default=0.0)

    async def _read(self, room: Room) -> None:
        async for item in room:
            try:
                self.shown.add(item, room.track.joined_at)
            except AssertionError as fault:
                self.fault = self.fault or fault

    def _note(self, change: Changed) -> None:
        self.changes.append((asyncio.get_running_loop().time(), change.phase))


class Audience:
    """So many listeners of a system, evenly over rooms and gateways. To be used as an async context."""

    def __init__(self, system: System, *, rooms: int, members: int) -> None:
        self.rooms = [f"room:{number}" for number in range(1, rooms + 1)]
        self.listeners: list[Listener] = []
        self.api = Api(system.api_url)
        self._members = members
        self._urls = [system.websocket_url(0), system.websocket_url(1)]
        self._stack = AsyncExitStack()
        self._said = 0

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.api)
        for start in range(0, len(self.rooms) * self._members, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, len(self.rooms) * self._members))
            users = await asyncio.gather(*(self.api.register(f"listener-{number}") for number in numbers))
            added = [self._listener(number, user) for number, user in zip(numbers, users, strict=True)]
            self.listeners += added
            await asyncio.gather(*(listener.connect(self._stack) for listener in added))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def say(self, count: int) -> None:
        """Publish so many messages to each room, one after the other in each."""
        await asyncio.gather(*(self._say(room, count) for room in self.rooms))

    def of(self, gateway: int) -> list[Listener]:
        """Those who were connected to a gateway first."""
        return [listener for listener in self.listeners if listener.urls[0] == self._urls[gateway]]

    async def history(self, room: str) -> dict[int, str]:
        """The ids of all messages of a room, by their offsets."""
        _, _, entries = await self.api.read(self.listeners[0].user, f"/v1/rooms/{room}/messages", ("", 0))
        return {offset: text for (_, offset), text in entries}

    def _listener(self, number: int, user: User) -> Listener:
        urls = self._urls if (number // len(self.rooms)) % 2 == 0 else self._urls[::-1]
        return Listener(user, self.rooms[number % len(self.rooms)], urls)

    async def _say(self, room: str, count: int) -> None:
        speaker = next(listener.user for listener in self.listeners if listener.name == room)
        for _ in range(count):
            self._said += 1
            answer = await self.api.publish(speaker, f"/v1/rooms/{room}/messages", f"message-{self._said}")
            assert answer.status in {200, 201}, answer
