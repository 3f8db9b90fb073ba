"""What an application gets to see: messages, and what it is told about those that it cannot get.

Owns these types, and which of them are hints. Does not own how they look on the wire (frames) nor when a room shows
which of them (track). Pure.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """A place in a room. `Position("", 0)` is before its very first publication."""

    epoch: str
    """Changes when the store came back with less than it had acknowledged. Epochs of a room sort as text."""
    offset: int
    """1, 2, 3 … without a hole within an epoch."""


BEGINNING = Position("", 0)
"""`join(room, since=BEGINNING)` shows all that the room still holds."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the original of a copy in an inbox stands."""

    room: str
    position: Position


@dataclass(frozen=True, slots=True)
class Message:
    """A publication: stored, and shown once."""

    room: str
    position: Position
    time_ms: int
    """When it was stored, by the server's clock, in milliseconds since 1970."""
    id: str
    """The sender's id of it."""
    sender: User
    text: str
    recipient: User | None = None
    """Of a private message."""
    origin: Origin | None = None
    """In an inbox: where it stands in its conversation."""


@dataclass(frozen=True, slots=True)
class Gap:
    """These offsets are gone from the room's history, and are skipped."""

    room: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The store lost what came after this position, and some of that was shown. `NotRecovered` follows."""

    room: str
    position: Position


@dataclass(frozen=True, slots=True)
class NotRecovered:
    """It was not possible to go on from the last message that was shown.

    What was shown after `position` does not exist any more, what lies between the last one shown and `position` is
    gone, and what follows is complete.
    """

    room: str
    position: Position


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is in the room now."""

    room: str
    count: int
    members: tuple[User, ...] | None
    """None when there are too many to name."""


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody writes; it lasts six seconds."""

    room: str
    user: User
    conversation: str = ""
    """In an inbox: the one in which they write."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far somebody has read."""

    room: str
    user: User
    position: Position
    conversation: str = ""
    """In an inbox: the one whose position it is."""


Notice = Gap | Reset | NotRecovered
"""What is told instead of messages. None of them is ever dropped."""
Hint = Presence | Typing | Read
"""What may be dropped."""
Item = Message | Notice | Hint


@dataclass(frozen=True, slots=True)
class Receipt:
    """A message is stored, here."""

    room: str
    position: Position
    time_ms: int
    message_id: str
    repeated: bool
    """An earlier attempt had stored it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a room's history, oldest first."""

    room: str
    newest: Position
    """Where the room stands now."""
    messages: tuple[Message, ...]
    recovered: bool
    """False: not all since the position that was asked for is there; it is complete after the offset `after`."""
    after: int
    more: bool
    """There is more in the direction that was asked for."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a connection was let in as."""

    user: User
    expires_ms: int
    """When the session ends by itself, in milliseconds since 1970."""
    time_ms: int
    """The server's clock at that moment."""
