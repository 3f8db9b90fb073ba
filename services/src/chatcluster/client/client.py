"""The client, as an application has it.

Owns waiting for answers and messages, and message ids. Does not own what is said and when (protocol), nor connections
(link).
"""

import asyncio
import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from chatcluster.client.asking import Asking
from chatcluster.client.events import Answered, Changed, Failed, Phase
from chatcluster.client.items import Position, Receipt, Session, User
from chatcluster.client.link import Link, now
from chatcluster.client.protocol import Protocol
from chatcluster.client.room import Room
from chatcluster.client.track import BOUND, Track
from chatcluster.core import errors, ids

CONNECT_WITHIN = 10.0
"""Seconds until the first connection has to stand."""
CLOSE_WITHIN = 3.0
"""Seconds for a closing handshake, and for what is being written."""

OnChange = Callable[[Changed], None]


class Client:
    """A user's connection to a ChatCluster, as long as an `async with` block.

    It connects again whenever the connection is lost and goes on where it was: rooms read on from their last message,
    and what was not answered is sent again with its id. Its calls wait as long as that takes; use `asyncio.timeout`
    where that is too long. Errors are those of `chatcluster.core.errors`, `failures.Closed` among them.
    """

    def __init__(self, urls: Sequence[str], token: str, within: float, on_change: OnChange | None) -> None:
        self._within = within
        self._on_change = on_change
        self._protocol = Protocol(token, random.SystemRandom())
        self._rooms: dict[Track, Room] = {}
        self._asking = Asking()
        self._session: Session | None = None
        self._link = Link(self._protocol, urls, self._hand_out)
        self._changed = asyncio.Event()
        self._last_error: errors.ChatError | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def connect(
        cls,
        url: str | Sequence[str],
        *,
        token: str,
        within: float = CONNECT_WITHIN,
        on_change: OnChange | None = None,
    ) -> Self:
        """A client that connects when its block is entered.

        `url` is a gateway's websocket (`ws://host:7000/ws`), or several that are tried in turn. Entering raises
        `errors.Unavailable` when no connection stands `within` so many seconds, and `errors.SessionEnded` for a bad
        token; after that, only what a close code forbids ends the client. `on_change` is called at each connection and
        loss.
        """
        return cls([url] if isinstance(url, str) else url, token, within, on_change)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._link.run(), name="chatcluster-client")
        try:
            await self._first_connection()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    # -- what an application does

    @property
    def session(self) -> Session:
        """Who this is, and what the server said of it at the last connection."""
        assert self._session is not None, "enter the client's block first"
        return self._session

    @property
    def user(self) -> User:
        """Who this is."""
        return self.session.user

    async def join(self, room: str, *, since: Position | None = None, hints: bool = False, bound: int = BOUND) -> Room:
        """Hear a room: from its newest message on, or from `since`, a position that a room had earlier.

        With `hints` the room also shows presence, typing and read positions. At most `bound` items wait for the
        application; beyond that the room stops listening, and reads on from history once half of them are taken.
        """
        key = self._asking.key()
        track = self._protocol.join(key, room, since, hints=hints, bound=bound)
        self._rooms[track] = joined = Room(self, track)
        try:
            await self._answer(key)
        except BaseException:
            self.leave(joined)
            raise
        return joined

    async def inbox(self, *, since: Position | None = None, hints: bool = False, bound: int = BOUND) -> Room:
        """Hear the private messages to and from this user, in all conversations."""
        return await self.join(ids.inbox(ids.UserId(self.user.id)), since=since, hints=hints, bound=bound)

    def leave(self, room: Room) -> None:
        """Hear a room no more; its iteration ends after what waits to be taken."""
        self._protocol.leave(room.track)
        self._hand_out()
        self._link.wake()

    async def send_to(self, user: int, text: str, *, message_id: str | None = None) -> Receipt:
        """Send a private message. It comes to the inboxes of both, on all of their devices."""
        return await self.send({"user": user}, text, message_id)

    async def send(self, target: Mapping[str, Any], text: str, message_id: str | None = None) -> Receipt:
        """Send a message to `{"room": …}` or `{"user": …}`; returns once it is stored.

        It is sent until that is so, each time with the same id, so that it is stored once. Messages to one target are
        stored in the order of these calls. Raises `errors.OutcomeUnknown` when nobody could say for eight minutes
        whether it is stored. A call that is cancelled may be stored or not.
        """
        fields = {**target, "message_id": message_id or str(uuid.uuid4()), "text": text}
        receipt: Receipt = await self.ask("send", fields, lane=f"send {target}")
        return receipt

    async def ping(self) -> int:
        """The server's clock, in milliseconds since 1970."""
        time_ms: int = await self.ask("ping", {})
        return time_ms

    async def ask(self, kind: str, fields: Mapping[str, Any], *, lane: str = "") -> Any:
        """Ask something of the gateway (docs/protocol.md), and return what it answers.

        Raises `errors.Busy` at once while 1,000 requests wait for an answer.
        """
        key = self._asking.key()
        self._protocol.call(key, kind, fields, now(), lane=lane)
        return await self._answer(key)

    @property
    def is_connected(self) -> bool:
        """Whether a connection stands."""
        return self._protocol.phase is Phase.OPEN

    def taken(self, track: Track) -> None:
        """Something was taken from a room: it may have space to read on."""
        if track.wants_join:
            self._link.wake()

    # -- handing out

    def _hand_out(self) -> None:
        for event in self._protocol.events():
            match event:
                case Answered(key, value):
                    self._asking.answer(key, value)
                case Failed(key, error):
                    self._asking.fail(key, error)
                case Changed():
                    self._change(event)
        self._show(self._protocol.fresh())

    def _show(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            if room := self._rooms.get(track):
                room.arrived.set()
                if track.error:
                    del self._rooms[track]

    def _change(self, change: Changed) -> None:
        self._session = change.session or self._session
        self._last_error = change.error
        self._changed.set()
        if self._on_change:
            self._on_change(change)

    async def _answer(self, key: int) -> Any:
        self._link.wake()
        try:
            return await self._asking.wait(key)
        finally:
            self._protocol.forget(key)

    # -- beginning and end

    async def _first_connection(self) -> None:
        try:
            async with asyncio.timeout(self._within):
                while self._protocol.phase is not Phase.OPEN:
                    if self._protocol.error:
                        raise self._protocol.error
                    await self._changed.wait()
                    self._changed.clear()
        except TimeoutError as exc:
            raise errors.Unavailable(f"no connection within {self._within:g} s: {self._last_error or ''}") from exc

    async def _end(self) -> None:
        task, is_open = self._task, self.is_connected
        assert task is not None
        self._protocol.close()
        self._hand_out()
        self._link.wake()
        await asyncio.wait([task], timeout=CLOSE_WITHIN if is_open else 0)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
