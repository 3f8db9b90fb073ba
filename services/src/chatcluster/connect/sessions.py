"""Whose connection it is: asks logic, and asks again whenever the user's inbox was registered.

Owns the questions that are under way. Does not own what follows from an answer (membership, connection). Logic that is
away never closes a socket here: the question is repeated until the connection's own deadline ends it.

A session that was revoked is told to gateways that have its user's inbox registered at that moment. One that comes
later asks here: after each registration of an inbox, the sessions of its connections are checked.

Bounds: `WORKERS` questions about new connections at once, each connection waits in line at most once; one check of at
most `CHECKED` sessions at a time.
"""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from chatcluster.connect.logic import Logic, Opened
from chatcluster.connect.membership import Membership
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect

WORKERS = 32
CHECKED = 1000
RETRY = (0.1, 1.0)
"""Seconds until a question that logic did not answer is repeated, drawn between the two."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client shows, told by its SHA-256."""

    digest: bytes
    is_ticket: bool = False
    """It serves once; else it is a session's token."""


class Client(Protocol):
    """A connection that says who it is."""

    @property
    def wanted(self) -> Credential:
        """What it has shown last."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether it still waits for an answer."""
        ...

    def authenticated(self, opened: Opened) -> None:
        """`wanted` stands for this session."""
        ...

    def rejected(self) -> None:
        """`wanted` stands for nothing."""
        ...

    def close(self, disconnect: Disconnect) -> None:
        """Close it."""
        ...


class Sessions:
    """Questions to logic about sessions. `run` has to run beside it."""

    def __init__(self, logic: Logic, membership: Membership, connections: int, random: random.Random) -> None:
        self._logic = logic
        self._membership = membership
        self._random = random
        self._line: asyncio.Queue[Client] = asyncio.Queue(maxsize=connections)
        self._unchecked: dict[UserId, None] = {}
        self._to_check = asyncio.Event()

    def ask(self, client: Client) -> None:
        """Find out whose session `client.wanted` is. Closes it when too many wait already."""
        try:
            self._line.put_nowait(client)
        except asyncio.QueueFull:
            client.close(disconnects.TRY_AGAIN)

    def registered(self, rooms: Iterable[RoomName]) -> None:
        """These rooms were registered: of those that are inboxes, the sessions are to be checked."""
        users = [user for room in rooms for user in _owner(room)]
        if users:
            self._unchecked.update(dict.fromkeys(users))
            self._to_check.set()

    async def run(self) -> None:
        """Answer for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_all())
            for _ in range(WORKERS):
                tasks.create_task(self._work())

    async def _work(self) -> NoReturn:
        while True:
            client = await self._line.get()
            while client.is_waiting and not await self._answer(client):
                await self._pause()

    async def _answer(self, client: Client) -> bool:
        """Whether that was the answer; else the question has to be asked (again)."""
        wanted = client.wanted
        try:
            opened = await self._ask(wanted)
        except errors.SessionEnded:
            return self._settle(client, wanted, None)
        except errors.OutcomeUnknown:  # a ticket that may be used up: only another one can help
            client.close(disconnects.TRY_AGAIN)
            return True
        except errors.ChatError:
            return False
        return self._settle(client, wanted, opened)

    async def _ask(self, wanted: Credential) -> Opened:
        return await (self._logic.redeem if wanted.is_ticket else self._logic.check_session)(wanted.digest)

    def _settle(self, client: Client, asked: Credential, opened: Opened | None) -> bool:
        if not client.is_waiting:
            return True
        if client.wanted != asked:
            return False
        if opened is None:
            client.rejected()
        else:
            client.authenticated(opened)
        return True

    async def _check_all(self) -> NoReturn:
        while True:
            await self._to_check.wait()
            users = self._take()
            if not await self._check(users):
                self._unchecked.update(dict.fromkeys(users))
                await self._pause()
            if not self._unchecked:
                self._to_check.clear()

    def _take(self) -> list[UserId]:
        users: list[UserId] = []
        sessions = 0
        while self._unchecked and sessions < CHECKED // 2:
            user = next(iter(self._unchecked))
            del self._unchecked[user]
            users.append(user)
            sessions += len(self._membership.sessions([user]))
        return users

    async def _check(self, users: list[UserId]) -> bool:
        sessions = self._membership.sessions(users)[:CHECKED]
        try:
            ended = await self._logic.ended(sessions) if sessions else ()
        except errors.ChatError:
            return False
        for session in ended:
            self._membership.revoke(session, users)
        return True

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.uniform(*RETRY))


def _owner(room: RoomName) -> tuple[UserId, ...]:
    parsed = ids.parse_room(room)
    return parsed.users if parsed.kind == "user" else ()
