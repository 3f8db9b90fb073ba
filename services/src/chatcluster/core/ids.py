"""Names and places: rooms, shards, epochs, stream ids, incarnations.

Owns how each is written and compared, and which user may do what in a room. Owns no state. It lives in core because
every program has to agree on all of it: a room's shard decides its Redis slot, its task and its stream.
"""

import re
import unicodedata
import zlib
from typing import NamedTuple, NewType

from chatcluster.core import errors

UserId = NewType("UserId", int)
"""1 … 2^31-1, as gochat's clients expect it."""

RoomName = NewType("RoomName", str)
"""A checked room name: what `parse_room` accepted, or what one of the makers below returned."""

ShardId = NewType("ShardId", int)

Incarnation = NewType("Incarnation", str)
"""`<gateway name>/<boot nonce>`: one life of one gateway. Never a gateway's name alone, which outlives a crash."""

ShardEpoch = NewType("ShardEpoch", str)
"""`<13-digit number>.<random>`; a later one is greater as text."""

RoomEpoch = NewType("RoomEpoch", str)
"""`<shard epoch>.<nonce>`; greater as text whenever its shard epoch is later."""

MAX_INT = 2**31 - 1

_ROOM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_MESSAGE_ID = re.compile(r"[\x21-\x7e]{1,128}")

ROOM_PATTERN = f"^(room:{_ROOM.pattern}|user:{_NUMBER.pattern}|dm:{_NUMBER.pattern}:{_NUMBER.pattern})$"
"""What rooms' names look like, for JSON Schemas; `parse_room` knows the bounds of the numbers too."""
MESSAGE_ID_PATTERN = f"^{_MESSAGE_ID.pattern}$"
"""What senders' ids of messages look like, likewise."""


class StreamId(NamedTuple):
    """An entry id of a dispatch stream; rises within one shard epoch and means nothing across two."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "StreamId":
        """The id that Redis writes as `ms-seq`. Raises ValueError for anything else."""
        ms, _, seq = text.partition("-")
        return cls(int(ms), int(seq))


ZERO = StreamId(0, 0)
"""Before every entry."""


class Room(NamedTuple):
    """A room's name, taken apart."""

    kind: str
    """`room`, `dm` or `user`."""
    users: tuple[UserId, ...]
    """Whose it is: two users of a `dm`, the owner of a `user`, empty for an open room."""


def room(number: int) -> RoomName:
    """gochat's room of that number. Raises `errors.Invalid` outside 1 … 2^31-1."""
    if not 1 <= number <= MAX_INT:
        raise errors.Invalid(f"room id {number} is out of range: 1 to {MAX_INT}")
    return RoomName(f"room:{number}")


def conversation(one: UserId, other: UserId) -> RoomName:
    """The private conversation of two users, the same whoever asks."""
    return RoomName(f"dm:{min(one, other)}:{max(one, other)}")


def inbox(user: UserId) -> RoomName:
    """The room to which a user's private messages are copied."""
    return RoomName(f"user:{user}")


def parse_room(name: str) -> Room:
    """Take a room's name apart. Raises `errors.Invalid` with the forms that exist."""
    kind, _, rest = name.partition(":")
    if kind == "room" and _ROOM.fullmatch(rest):
        return Room("room", ())
    if kind == "user" and _is_user(rest):
        return Room("user", (UserId(int(rest)),))
    if kind == "dm":
        one, _, other = rest.partition(":")
        if _is_user(one) and _is_user(other) and int(one) <= int(other):
            return Room("dm", (UserId(int(one)), UserId(int(other))))
    raise errors.Invalid(
        "not a room: expected room:<1-64 of A-Z a-z 0-9 . _ ->, dm:<smaller user id>:<larger user id> or user:<user id>"
    )


def _is_user(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and int(text) <= MAX_INT


def gochat_room_id(name: str) -> int:
    """The number by which gochat's clients know a room; 0 for a room that they cannot reach."""
    kind, _, rest = name.partition(":")
    return int(rest) if kind == "room" and _is_user(rest) else 0


def check_reader(name: str, user: UserId) -> Room:
    """The room, if that user may read it and be in it; open rooms are everybody's. Raises Invalid or Forbidden."""
    parsed = parse_room(name)
    if parsed.users and user not in parsed.users:
        raise errors.Forbidden(f"{parsed.kind} rooms are read by their own users only")
    return parsed


def shard_of(name: str, shards: int) -> ShardId:
    """The shard of a room: crc32 of its name, modulo the number of shards (which never changes in a cluster)."""
    return ShardId(zlib.crc32(name.encode()) % shards)


def shard_epoch_of(epoch: str) -> ShardEpoch:
    """The shard epoch that a room epoch was drawn in."""
    return ShardEpoch(epoch.rpartition(".")[0])


def check_user_name(name: str) -> str:
    """A user's name, 1-64 characters, NFC, without control characters. Raises `errors.Invalid`."""
    if not 1 <= len(name) <= 64:
        raise errors.Invalid(f"a user name has 1 to 64 characters, this one has {len(name)}")
    if any(unicodedata.category(c) in {"Cc", "Cs", "Cf", "Zl", "Zp"} for c in name):
        raise errors.Invalid("a user name has no control characters")
    if not unicodedata.is_normalized("NFC", name):
        raise errors.Invalid("a user name is in Unicode's normal form NFC")
    return name


def check_message_id(message_id: str) -> str:
    """A sender's own id of a message, 1-128 visible ASCII characters. Raises `errors.Invalid`."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise errors.Invalid("a message id has 1 to 128 visible ASCII characters")
    return message_id
