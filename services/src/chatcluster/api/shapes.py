"""What the v1 routes take and give, as types: the JSON is made by them, and the OpenAPI document has their schemas.

Owns the names, types and bounds of the fields. Does not own those that frames have as well (frames.parts), what they
mean to anybody (logic), nor which route has which (the modules v1_*). Pure.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from chatcluster.frames.parts import (
    MAX_EXACT,
    MAX_MEMBERS,
    Epoch,
    Milliseconds,
    Offset,
    Person,
    Position,
    Publication,
    RoomName,
)

UserId = Annotated[int, Meta(ge=1, le=2**31 - 1)]
UserName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="In Unicode's normal form NFC, without control characters; case-sensitive.",
        extra_json_schema={"format": "user-name"},
    ),
]


class _Secret(Struct, frozen=True):
    """Never shows itself: what is printed may be logged."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


# -- bodies. A field that this version does not know is refused: to ignore it would be a lie. Whole numbers are whole
# however they are written (JSON Schema, 6.1.1: 1.0 is an integer), which is why they are floats here.


class Credentials(_Secret, forbid_unknown_fields=True, frozen=True):
    """A name and a password."""

    name: UserName
    password: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            description="1 to 1,024 bytes of UTF-8.",
            extra_json_schema={"format": "password"},
        ),
    ]


class Draft(Struct, forbid_unknown_fields=True, frozen=True):
    """A text to publish."""

    text: Annotated[
        str,
        Meta(
            min_length=1,
            description="4,096 bytes of UTF-8 unless set otherwise, without control characters but newline and tab.",
            extra_json_schema={"format": "text"},
        ),
    ]
    age_ms: Annotated[
        float,
        Meta(ge=0, lt=2**32, multiple_of=1, description="How long ago the first try was, by the sender's own clock."),
    ] = 0


class Mark(Struct, forbid_unknown_fields=True, frozen=True):
    """The position of the last publication that was read."""

    epoch: Epoch
    offset: Annotated[float, Meta(ge=0, le=MAX_EXACT, multiple_of=1)]


# -- answers. Clients ignore fields that they do not know.


class Opened(_Secret, frozen=True):
    """A new session. Its token is shown this once."""

    token: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}=$", description="For Authorization: Bearer.")]
    expires_ms: Milliseconds
    user: Person


class Me(Struct, frozen=True):
    """Whose the session is, and when it ends by itself."""

    user: Person
    expires_ms: Milliseconds


class OpenSession(Struct, frozen=True):
    """An open session of the user."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="Names it, and opens nothing.")]
    created_ms: Milliseconds
    expires_ms: Milliseconds
    current: Annotated[bool, Meta(description="It is the one that asks.")]


class Sessions(Struct, frozen=True):
    """The newest first."""

    sessions: Annotated[list[OpenSession], Meta(max_length=200)]


class Ended(Struct, frozen=True):
    """How many sessions were ended."""

    ended: Annotated[int, Meta(ge=0)]


class Ticket(_Secret, frozen=True):
    """Stands for the session once, for 60 s. Shown this once."""

    ticket: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]
    expires_ms: Milliseconds


class Gateways(Struct, frozen=True):
    """Where clients connect; any of each will do. Empty where the api was not told."""

    websocket: list[str]
    tcp: list[str]


class Stored(Struct, frozen=True):
    """Where a message is stored."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    time_ms: Milliseconds
    id: Annotated[str, Meta(description="The Idempotency-Key, or the one that was drawn.")]


class History(Struct, frozen=True):
    """A part of a room, and where the room stands."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    recovered: Annotated[bool, Meta(description="False: something is gone or was lost; reload.")]
    after: Annotated[int, Meta(ge=0, description="The offset after which the publications are complete.")]
    more: Annotated[bool, Meta(description="The room holds more in the direction of the read.")]
    publications: Annotated[list[Publication], Meta(max_length=1000)]


class Members(Struct, frozen=True):
    """Who is in a room now, over all gateways."""

    room: RoomName
    count: Annotated[int, Meta(ge=0)]
    members: Annotated[list[Person], Meta(max_length=MAX_MEMBERS)]


class KeptRoom(Struct, frozen=True):
    """A room on the user's list."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    read: Annotated[Position, Meta(description="How far the user has read.")]
    unread: Annotated[int, Meta(ge=0, description="Publications that history holds after it.")]


class Rooms(Struct, frozen=True):
    """In the order in which they were kept."""

    rooms: list[KeptRoom]


class Conversation(Struct, frozen=True):
    """A private conversation."""

    room: RoomName
    user: Annotated[Person, Meta(description="The other one.")]
    epoch: Epoch
    offset: Offset
    unread: Annotated[int, Meta(ge=0, description="0 when the last message is the user's own.")]
    read: Annotated[Position | UnsetType, Meta(description="Absent when nothing was marked.")] = UNSET
    last: Annotated[Publication | UnsetType, Meta(description="Absent when history has it no more.")] = UNSET


class Conversations(Struct, frozen=True):
    """The one that was last spoken in first."""

    conversations: Annotated[list[Conversation], Meta(max_length=200)]


class Read(Struct, frozen=True):
    """How far a user has read a room."""

    user: Person
    epoch: Epoch
    offset: Offset


class Reads(Struct, frozen=True):
    """Those who marked last, in no particular order."""

    room: RoomName
    reads: Annotated[list[Read], Meta(max_length=200)]


class Problem(Struct, frozen=True):
    """RFC 9457. Decide by `code`, which is stable; the rest is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
