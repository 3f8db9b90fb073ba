"""A room that was joined, as an application has it.

Owns iteration, and what is asked of one room. Does not own what is shown (track) nor connections (client).
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from chatcluster.client import failures
from chatcluster.client.items import Gap, Item, Message, NotRecovered, Page, Position, Presence, Receipt
from chatcluster.client.track import Track


class Host(Protocol):
    """The client of a room."""

    async def ask(self, kind: str, fields: Mapping[str, Any]) -> Any:
        """Ask the gateway."""

    async def send(self, target: Mapping[str, Any], text: str, message_id: str | None = None) -> Receipt:
        """Send a message."""

    def leave(self, room: "Room") -> None:
        """Hear this room no more."""

    def taken(self, track: Track) -> None:
        """Something was taken."""

    @property
    def is_connected(self) -> bool:
        """Whether a connection stands."""


class Room:
    """A joined room. Iterate over it, in one place: each item is given once.

    Items are messages, each once and in order, and what is told about those that cannot be had: `Gap`, `Reset`,
    `NotRecovered` (all in `chatcluster.client.items`). The iteration ends when the room is left or the client closed,
    and raises the error that ends either.
    """

    def __init__(self, host: Host, track: Track) -> None:
        self.track = track
        self.arrived = asyncio.Event()
        """Something may be there to take."""
        self._host = host
        self._taken: Position | None = None

    @property
    def name(self) -> str:
        """Its full name."""
        return self.track.name

    @property
    def position(self) -> Position:
        """Where the iteration stands. Kept by the application, it is the `since` of a later join."""
        return self._taken or self.track.joined_at

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while (item := self.track.take()) is None:
            if self.track.error:
                self._finish(self.track.error)
            self.arrived.clear()
            await self.arrived.wait()
        self._host.taken(self.track)
        match item:
            case Message() | NotRecovered():
                self._taken = item.position
            case Gap():
                self._taken = Position(self.position.epoch, item.last)
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Hear it no more."""
        self._host.leave(self)

    async def send(self, text: str, *, message_id: str | None = None) -> Receipt:
        """Send a message to this room; returns once it is stored (`Client.send`)."""
        return await self._host.send({"room": self.name}, text, message_id)

    async def history(self, *, since: Position | None = None, before: Position | None = None, limit: int = 50) -> Page:
        """A page of what was said: after `since`, before `before`, or the newest."""
        fields = {"room": self.name, "since": _place(since), "before": _place(before), "limit": limit}
        page: Page = await self._host.ask("history", fields)
        return page

    async def members(self) -> Presence:
        """Who is here now, over all gateways."""
        members: Presence = await self._host.ask("members", {"room": self.name})
        return members

    async def typing(self) -> None:
        """Tell the others that this user writes; it lasts six seconds, and is in vain while there is no connection."""
        if self._host.is_connected:
            await self._host.ask("typing", {"room": self.name})

    async def read(self, position: Position) -> None:
        """Store how far this user has read, and tell the others. It never goes back."""
        await self._host.ask("read", {"room": self.name, **_asdict(position)})

    @staticmethod
    def _finish(error: Exception) -> None:
        if isinstance(error, failures.Closed) and error.disconnect == failures.LEFT:
            raise StopAsyncIteration
        raise error


def _place(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else _asdict(position)


def _asdict(position: Position) -> dict[str, Any]:
    return {"epoch": position.epoch, "offset": position.offset}
