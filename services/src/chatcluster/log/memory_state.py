"""What the log in memory keeps: the state of a server, and what a reader may be told from it.

Owns the shapes only; every step on them is in `memory`. It is apart so that a server can be copied and come back older,
under another identity, as Redis does after a crash.
"""

import copy
from dataclasses import dataclass, field, replace

from chatcluster.core import ids
from chatcluster.core.ids import ShardEpoch, StreamId
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb


@dataclass(slots=True)
class Holder:
    """A gateway incarnation that registered for a room, or took itself off it."""

    number: int
    registered: bool
    touched: float


@dataclass(slots=True)
class Registrations:
    """Of one room. Apart from the room, since the mark of an unregister is also left where no room ever was."""

    holders: dict[str, Holder] = field(default_factory=dict)


@dataclass(slots=True)
class Room:
    """A room's meta and history."""

    nonce: str
    chain: list[tuple[str, int]]
    """(epoch, base offset), oldest first; the last one is the room's epoch."""
    offset: int = 0
    history: list[pb.Publication] = field(default_factory=list)
    history_bytes: int = 0
    copied: dict[int, tuple[str, StreamId]] = field(default_factory=dict)
    conversations: dict[str, int] = field(default_factory=dict)
    """Of an inbox: where in it the last copy from each conversation is."""
    tokens: float = 0
    tokens_at: float = 0
    expires: float = 0

    @property
    def epoch(self) -> str:
        """In which its next publication is accepted."""
        return self.chain[-1][0]

    def clone(self) -> "Room":
        """A copy that shares nothing that changes."""
        return replace(
            self,
            chain=list(self.chain),
            history=list(self.history),
            copied=dict(self.copied),
            conversations=dict(self.conversations),
        )


@dataclass(slots=True)
class Sent:
    """A message id that is remembered."""

    position: pb.Position
    time_ms: int
    digest: bytes
    expires: float


@dataclass(slots=True)
class Shard:
    """Everything in one slot."""

    identity: str = ""
    epoch: ShardEpoch = field(default=ShardEpoch(""))
    cursor: StreamId = ids.ZERO
    cursor_total: int = 0
    cursor_bytes: int = 0
    last: StreamId = ids.ZERO
    total: int = 0
    total_bytes: int = 0
    stream: list[log.Entry] = field(default_factory=list)
    dead: list[log.DeadLetter] = field(default_factory=list)
    rooms: dict[str, Room] = field(default_factory=dict)
    registrations: dict[str, Registrations] = field(default_factory=dict)
    sent: dict[tuple[str, int, str], Sent] = field(default_factory=dict)
    created: dict[int, tuple[int, float]] = field(default_factory=dict)
    tenure: int = 0
    token: str = ""
    """With the epoch in it, so that it is never given twice, even if the server came back without the last tenures."""
    owner_until: float | None = None
    """When the lease ends; None: given up cleanly."""
    takeovers: int = 0
    takeover_cursor: StreamId = ids.ZERO

    def clone(self) -> "Shard":
        """A copy that shares nothing that changes."""
        twin = copy.copy(self)
        twin.stream, twin.dead, twin.sent = list(self.stream), list(self.dead), dict(self.sent)
        twin.created = dict(self.created)
        twin.rooms = {name: room.clone() for name, room in self.rooms.items()}
        twin.registrations = {
            name: Registrations({i: replace(holder) for i, holder in of_room.holders.items()})
            for name, of_room in self.registrations.items()
        }
        return twin


class Server:
    """The state that a Redis server would hold, and the identity under which it answers."""

    def __init__(self, shards: int, identity: str = "run-1") -> None:
        self.identity = identity
        self.shards = [Shard() for _ in range(shards)]

    def clone(self, identity: str) -> "Server":
        """A copy of this state under another identity: a restart, a replica, a restored backup."""
        twin = Server(0, identity)
        twin.shards = [shard.clone() for shard in self.shards]
        return twin
