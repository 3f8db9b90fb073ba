"""Logic's domain on the ports in memory, with a clock that only tests move."""

import hashlib
import itertools
from dataclasses import dataclass, field

from chatcluster.accounts.memory import MemoryAccounts
from chatcluster.bookmarks.memory import MemoryBookmarks
from chatcluster.core import ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.core.rates import Rate, Table
from chatcluster.log import log
from chatcluster.log.memory import MemoryLog
from chatcluster.log.memory_state import Server
from chatcluster.logic import (
    authentication,
    gateways,
    hints,
    marks,
    members,
    passwords,
    publishing,
    reading,
    rooms,
    service,
    sessions,
    tickets,
)
from chatcluster.presence.memory import MemoryPresence
from chatcluster.v1 import types_pb2 as pb

CHEAP = passwords.Cost(memory=8, passes=1, threads=1, queue=8)
"""The least work that argon2 can do."""
ANSWER_BYTES = 64 * 1024


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.time


def session_of(token: str) -> bytes:
    """What a token is stored by."""
    return hashlib.sha256(token.encode()).digest()


@dataclass
class World:
    """One of each port, and the domain on top of them."""

    limits: log.Limits = field(default_factory=log.Limits)
    shards: int = 4

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.server = Server(self.shards)
        numbers = itertools.count()
        self.log = MemoryLog(self.server, now=self.clock, draw=lambda n: f"{next(numbers):0{n}x}", limits=self.limits)
        self.accounts = MemoryAccounts(now=self.clock)
        self.bookmarks = MemoryBookmarks(now=self.clock)
        self.presence = MemoryPresence(now=self.clock)
        self.sessions = sessions.Sessions(self.accounts, self.log)
        drawn = itertools.count()
        self.tickets = tickets.Tickets(self.sessions, self.accounts, lambda: f"ticket-{next(drawn):036}")
        self.publishing = publishing.Publishing(self.sessions, self.accounts, self.log, publishing.Bounds())
        self.reading = reading.Reading(self.sessions, self.log, ANSWER_BYTES)
        self.members = members.Members(self.sessions, self.accounts, self.presence, self.log, pushes=2)
        self.hints = hints.Hints(self.sessions, self.log, Table(Rate(2, 4), 100), self.clock)
        self.marks = marks.Marks(self.sessions, self.bookmarks, self.log, self.hints)
        self.rooms = rooms.Rooms(self.sessions, self.bookmarks, self.marks, self.log, self.limits.rooms_per_user)
        self.conversations = rooms.Conversations(self.sessions, self.accounts, self.marks, self.log, ANSWER_BYTES)
        self.gateways = gateways.Gateways(self.presence, self.log, ANSWER_BYTES)

    def service(
        self, hashes: passwords.Passwords, authentication: authentication.Authentication | None = None
    ) -> service.LogicService:
        """All of it behind the methods of logic.proto."""
        return service.LogicService(
            service.Domain(
                authentication or self.authentication(hashes),
                self.sessions,
                self.tickets,
                self.publishing,
                self.reading,
                self.members,
                self.hints,
                self.marks,
                self.conversations,
                self.rooms,
                self.gateways,
            )
        )

    def authentication(
        self, hashes: passwords.Passwords, policy: authentication.Policy | None = None
    ) -> authentication.Authentication:
        """Authentication over these accounts; tokens count up."""
        tokens = itertools.count()
        return authentication.Authentication(
            self.accounts,
            hashes,
            policy or authentication.Policy(),
            lambda: f"token-{next(tokens)}",
            self.sessions,
        )

    async def user(self, name: str) -> tuple[UserId, bytes]:
        """A new user with an open session."""
        account = await self.accounts.create(name, f"hash of {name}")
        session = session_of(name)
        await self.accounts.open_session(session, account, 86_400)
        return account.id, session

    async def post(self, room: str, text: str, message_id: str) -> None:
        """A publication in a room, by nobody in particular."""
        body = pb.Message(id=message_id, text=text).SerializeToString()
        await self.log.publish(log.Draft(RoomName(room), UserId(1), message_id, body, text.encode()[:8].ljust(8)))

    def fill(self, room: str) -> None:
        """Make a room's shard refuse everything as busy."""
        shard = self.server.shards[ids.shard_of(room, self.shards)]
        shard.total = shard.cursor_total + self.limits.dispatch_entries

    def dispatched(self, room: str) -> list[log.Entry]:
        """What was put into the dispatch stream of a room's shard."""
        return self.server.shards[ids.shard_of(room, self.shards)].stream
