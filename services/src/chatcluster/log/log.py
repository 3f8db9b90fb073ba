"""The log port: rooms' histories and the shards' dispatch streams, as one thing.

One port, because a publish is atomic over both: a publication is in its room's history exactly if it was put into its
shard's dispatch stream. History is the truth; dispatch only makes it fast. delivery rules: ARCHITECTURE.md, "Delivery".

Owns epochs, offsets, idempotency, registrations of gateways, shard leases and cursors. Does not own presence,
gateway leases, accounts or sessions (their own ports), and never looks inside a `body`.

Every method is one atomic step in one shard. Each of them first compares the server's identity (run id and
replication id, read by the step itself) with the shard's stored one, and draws a higher shard epoch when they differ:
so whoever hears from the log learns that Redis may have come back with less.

Errors of every method: `errors.Unavailable` when it surely did not happen, `errors.OutcomeUnknown` when a write may
have happened (timeouts, broken connections); reads never raise the latter. `errors.Busy` where said. Either of the
first two is `lasting` when the step itself met an error, so that it will most likely fail again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch, ShardId, StreamId, UserId
from chatcluster.v1 import logic_pb2, types_pb2 as pb


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that the log keeps. Sizes in bytes, times in seconds, rates per second."""

    history_size: int = 1000
    """Publications kept in a room; those younger than `history_min_age` do not count."""
    history_bytes: int = 4 * 1024 * 1024
    """Bytes of bodies kept in a room; a hard bound."""
    history_ttl: float = 7 * 86400
    """A room's history goes this long after its last publication; its meta one day later."""
    history_min_age: float = 60
    """Publications younger than this are dropped by `history_bytes` only."""
    idempotency_ttl: float = 600
    """How long a message id is remembered."""
    dispatch_entries: int = 100_000
    """Entries after a shard's cursor at which publishing is refused."""
    dispatch_bytes: int = 64 * 1024 * 1024
    """The same in bytes."""
    dispatch_retention: float = 60
    """How long entries stay behind the cursor."""
    room_rate: float = 200
    """Publications a second and room."""
    room_burst: int = 400
    """The depth of the room's token bucket."""
    rooms_per_user: int = 200
    """New rooms that one user may create in a shard and day."""
    registration_ttl: float = 1200
    """A registration that was not renewed for so long is forgotten (gateways renew every 5 minutes)."""
    memory_fraction: float = 0.85
    """Publishing is refused when Redis uses more than this part of its maxmemory."""
    read_bytes: int = 512 * 1024
    """A read of history stops after so many bytes of bodies."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a sender wants in a room."""

    room: RoomName
    sender: UserId
    message_id: str
    body: bytes
    """A serialized Message."""
    digest: bytes
    """8 bytes that stand for the text: the same id with another digest is a conflict."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where a publication stands."""

    position: pb.Position
    time_ms: int
    repeated: bool
    """It was stored by an earlier attempt."""


@dataclass(frozen=True, slots=True)
class Read:
    """Which part of a room's history is wanted."""

    room: RoomName
    since: pb.Position | None = None
    """Read on after it."""
    limit: int = 100
    """At most so many publications; 0: the position only."""
    before: pb.Position | None = None
    """Instead of `since`: the `limit` before it. Without either: the newest `limit`. Registering knows no `before`."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One room's answer to a registration."""

    accepted: bool
    """False: a later number of this incarnation's gateway was seen before; nothing was changed."""
    shard_epoch: ShardEpoch
    stream_id: StreamId
    """The last id of the shard's dispatch stream at that moment."""
    history: logic_pb2.RoomHistory


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a dispatch stream: exactly one of the four is set."""

    id: StreamId
    total: int
    """Entries ever put into this stream, this one included: differences of it count entries."""
    total_bytes: int
    """The same in bytes."""
    publication: pb.Publication | None = None
    ephemeral: pb.Ephemeral | None = None
    control: pb.Control | None = None
    poison: str | None = None
    """Why it cannot be decoded."""
    size: int = 0
    """Bytes of its payload."""
    replayed: bool = False
    """It was a dead letter."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """A shard, held by one task for `OWNER_TTL` from the last renewal."""

    shard: ShardId
    token: str
    epoch: ShardEpoch
    cursor: StreamId
    takeovers: int
    """How often in a row this cursor, with an entry after it, was taken over after a lease that expired; 0 after a
    clean release."""


@dataclass(frozen=True, slots=True)
class Holders:
    """Which gateways hold rooms, read after a batch."""

    epoch: ShardEpoch
    """The shard's epoch at that moment; another one than the owner's means: throw the batch away."""
    rooms: Mapping[RoomName, frozenset[Incarnation]] = field(default_factory=dict)
    """Registered incarnations, whether or not their lease lives."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A private publication on its way into an inbox."""

    inbox: RoomName
    id: StreamId
    """The dispatch id of the conversation's publication."""
    publication: pb.Publication
    replayed: bool = False
    """It comes out of its order."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much a shard's task still has to do."""

    entries: int
    bytes: int
    oldest_ms: int
    """Age of the first entry after the cursor, in milliseconds; 0 when there is none."""
    dead_letters: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that was set aside."""

    entry: Entry
    """As it stands in dispatch; poison if it cannot be decoded."""
    reason: str
    time_ms: int
    """When it was set aside, by the server's clock."""


OWNER_TTL = 4.0
"""Seconds that a shard's lease lasts; its owner renews it every second."""


class Log(Protocol):
    """Histories and dispatch. See the module's docstring for what holds for every method."""

    @property
    def shards(self) -> int:
        """How many there are; fixed for the life of a cluster."""
        ...

    # -- publishing, for logic

    async def publish(self, draft: Draft) -> Published:
        """Append to the room's history and the shard's dispatch stream, once.

        Idempotent by (room, sender, message id) for `Limits.idempotency_ttl`. When it returns, the publication is
        stored as durably as the server's appendfsync says. Raises `Conflict`, `RateLimited` (room's rate, or too many
        new rooms), `Busy` (dispatch or memory full).
        """
        ...

    async def look_up(self, draft: Draft) -> Published:
        """What an earlier attempt stored. Raises `Busy` when there is nothing, `Conflict`.

        For whoever is about to refuse a draft as busy for reasons of its own: busy means not stored, which must not be
        said of a repeated message.
        """
        ...

    async def push(self, ephemeral: pb.Ephemeral) -> bool:
        """Put an ephemeral into dispatch; False when it was dropped because the stream is half full. No history."""
        ...

    async def order(self, control: pb.Control) -> None:
        """Put a control into dispatch; never refused as busy. At least once."""
        ...

    async def is_full(self, room: RoomName) -> bool:
        """Whether the room's shard would refuse a publication as `busy`."""
        ...

    # -- reading and registering (logic, for users and gateways)

    async def history(self, reads: Sequence[Read]) -> list[logic_pb2.RoomHistory]:
        """Read rooms on from a position, each by itself, in the order of `reads`.

        A room keeps the (epoch, base offset) of its last 8 epochs. A reader at (e, o) is recovered when e is current
        and o <= the newest offset, or e is earlier in the chain and o <= the base of the epoch after it; and history
        still reaches back to o. A reader at ("", 0) wants everything: recovered if the first publication is still
        there. When it is not recovered, `RoomHistory.after` tells from where on everything is new to the reader: the
        base of the first epoch later than the reader's (of the last epoch, if none is later). A room that never was
        has epoch "" and offset 0, is recovered for a reader at ("", 0) and for one without a position, and is not
        created. A publication read from history carries the epoch in which its offset was drawn. A room that could
        not be read carries `error`.

        Read back from `before`, a page ends at the last publication before that position which reader and room have
        in common; it is recovered when the room still has all that such a reader has, whether or not history still
        holds it. What is gone from history only ends the paging: `more` is false then. Where an answer would have more
        than `Limits.read_bytes`, it has what is nearest to the position, or the newest.
        """
        ...

    async def register(self, incarnation: Incarnation, number: int, reads: Sequence[Read]) -> list[Registered]:
        """Register a gateway for rooms and read each, in one step a room; creates the meta of a room that never was.

        Idempotent. A number lower than the room has seen from this incarnation changes nothing (`accepted` False).
        Everything that was put into dispatch before is in the history that is returned (or told by `recovered`);
        everything after it finds this gateway among the holders. Answers in the order of `reads`.
        """
        ...

    async def unregister(self, incarnation: Incarnation, number: int, rooms: Sequence[RoomName]) -> None:
        """Take a gateway off rooms; leaves a mark with the number, so that an older register does not undo it."""
        ...

    async def conversations(self, inbox: RoomName, limit: int) -> list[RoomName]:
        """The private conversations of which an inbox got copies, the one copied last first.

        Part of the step that copies, so that whoever finds a message in an inbox finds its conversation here. At most
        1,000 are kept; all are forgotten a day after the history of a room that was as quiet as the inbox.
        """
        ...

    # -- dispatch, for task

    async def acquire(self, shard: ShardId, owner: str) -> Ownership | None:
        """Take a shard whose lease is free; None when another owner's lease lives. `owner` is in no way trusted."""
        ...

    async def renew(self, ownership: Ownership) -> bool:
        """Hold it longer; False when it is lost. Runs also as the step that notices a new epoch: then False too."""
        ...

    async def release(self, ownership: Ownership) -> None:
        """Give it up cleanly: the next owner need not wait and no takeover is counted."""
        ...

    async def entries(self, shard: ShardId, after: StreamId, limit: int, wait: float) -> list[Entry]:
        """The entries after an id, at most `limit`, waiting up to `wait` seconds for the first.

        Says nothing of the epoch: ask `holders` afterwards, and throw the entries away when that shows another one.
        """
        ...

    async def holders(self, shard: ShardId, rooms: Sequence[RoomName]) -> Holders:
        """Who holds these rooms now, and the shard's epoch now. From the master, never cached."""
        ...

    async def copy(self, source: ShardId, copies: Sequence[Copy]) -> None:
        """Put private publications of one shard into inboxes of one shard, in order; history and dispatch in one step.

        Idempotent for ever: an inbox keeps, for each source shard, the (shard epoch, dispatch id) of the last copy, and
        takes only later ones. The epoch is the one in which the original was accepted (part of `publication.epoch`),
        not the owner's: an entry that outlived a change of epoch is still the same entry. Provided that copies of one
        source shard into one inbox are made in order, one call after the other. Never refused as busy.

        A replayed one is known by its origin instead: it is put in unless the inbox's history holds it.
        """
        ...

    async def advance(self, ownership: Ownership, entry: Entry) -> bool:
        """Move the cursor to an entry and trim what lies `dispatch_retention` behind it.

        False, and nothing moved, when the token or the epoch is not the shard's any more. Never moves back.
        """
        ...

    async def set_aside(self, ownership: Ownership, entry: Entry, reason: str) -> None:
        """Copy an entry to the shard's dead letters (bounded to 10,000, oldest go first). Idempotent by entry id."""
        ...

    async def dead_letters(self, shard: ShardId, limit: int) -> list[DeadLetter]:
        """The shard's dead letters, oldest first, at most `limit`."""
        ...

    async def replay(self, shard: ShardId, entry: StreamId) -> bool:
        """Put a dead letter back into dispatch, behind all that is there; False when there is none of that entry id.

        It is a dead letter no more, and gets another id. A publication keeps its epoch and offset, so that gateways
        that have read it from history drop it; a private one is copied into the inboxes that do not have it.
        """
        ...

    async def discard(self, shard: ShardId, entry: StreamId) -> bool:
        """Throw a dead letter away; False when there is none of that entry id.

        A publication stays in its room's history. A private one that was set aside before it was copied is never in the
        inboxes then.
        """
        ...

    async def backlog(self, shard: ShardId) -> Backlog:
        """The shard's backlog, for metrics."""
        ...
