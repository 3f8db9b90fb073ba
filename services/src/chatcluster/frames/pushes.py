"""What a gateway says in v1 without being asked, as types. The JSON is made by them, and the AsyncAPI document has
their schemas.

Owns the names and types of the fields. Does not own who is told what (connect.hub), nor bytes (connect.v1_codec). Pure.
Clients ignore fields and pushes that they do not know.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chatcluster.frames.parts import MAX_MEMBERS, Epoch, Offset, Person, Publication, RoomName

HEARTBEAT = "ping msg"
"""What a gateway sends over TCP now and then, gochat's: the one frame that is no JSON."""


Conversation = Annotated[RoomName, Meta(description="In an inbox: the conversation that it is about.")] | UnsetType


class Published(Publication, frozen=True, kw_only=True, tag_field="type", tag="publication"):
    """The next publication of a room."""

    room: RoomName


class Push(Struct, frozen=True, tag_field="type"):
    """What all others have."""


class Presence(Push, frozen=True, tag="presence"):
    """Who is in a room; where there are more than 200, only how many."""

    room: RoomName
    count: Annotated[int, Meta(ge=0)]
    members: Annotated[list[Person], Meta(max_length=MAX_MEMBERS)] | UnsetType = UNSET


class IsTyping(Push, frozen=True, tag="typing"):
    """Somebody is typing; it lasts 6 s."""

    room: RoomName
    user: Person
    conversation: Conversation = UNSET


class HasRead(Push, frozen=True, tag="read"):
    """How far somebody has read."""

    room: RoomName
    user: Person
    epoch: Epoch
    offset: Offset
    conversation: Conversation = UNSET


class Gap(Push, frozen=True, tag="gap"):
    """These offsets are gone from history, and are skipped."""

    room: RoomName
    first: Offset = msgspec.field(name="from")
    last: Offset = msgspec.field(name="to")


class Reset(Push, frozen=True, tag="reset"):
    """The store lost what came after this position; join again from your own to go on."""

    room: RoomName
    epoch: Epoch
    offset: Offset


class Reconnect(Push, frozen=True, tag="reconnect"):
    """The gateway stops: connect again after so long, before it closes."""

    after_ms: Annotated[int, Meta(ge=0)]


class Disconnect(Push, frozen=True, tag="disconnect"):
    """The last frame over TCP, which has no close frames."""

    code: int
    reason: str
    reconnect: Annotated[bool, Meta(description="Whether the same client may simply connect again.")]


ALL: tuple[type[Struct], ...] = (Published, Presence, IsTyping, HasRead, Gap, Reset, Reconnect)
"""Those of both transports."""
TCP_ONLY: tuple[type[Struct], ...] = (Disconnect,)
