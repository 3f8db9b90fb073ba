"""What a gateway answers in v1, as types: the JSON is made by them, and the AsyncAPI document has their schemas.

Owns the names and types of the fields. Does not own which request has which answer (exchanges), nor bytes
(connect.v1_codec). Pure. Clients ignore fields that they do not know.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chatcluster.frames.parts import MAX_MEMBERS, Epoch, Milliseconds, Offset, Person, Publication, RoomName
from chatcluster.frames.requests import Id, MessageId

_Recovered = Annotated[
    bool, Meta(description="False: something is gone, or was lost by the store; forget what there is of the room.")
]
_After = Annotated[Offset, Meta(description="The offset after which the publications are complete.")]
_Publications = Annotated[list[Publication], Meta(max_length=1000, description="The oldest first.")]


class Answer(Struct, frozen=True, tag_field="type", tag="ok"):
    """What was asked is done."""

    id: Id


class Authenticated(Answer, frozen=True):
    """To `auth`: whose connection it is now."""

    user: Person
    expires_ms: Annotated[Milliseconds, Meta(description="When the session ends by itself.")]
    time_ms: Milliseconds
    ping_seconds: Annotated[float, Meta(gt=0, description="How often the gateway pings.")]


class Joined(Answer, frozen=True):
    """To `join`: where the room stands, and what came after the client's position."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    recovered: _Recovered
    after: _After
    publications: _Publications
    joined: Annotated[bool, Meta(description="False: that was not all; join again from the last of them.")]


class Left(Answer, frozen=True):
    """To `leave`."""

    room: RoomName


class Sent(Answer, frozen=True):
    """To `send`: it is stored, there."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    time_ms: Milliseconds
    message_id: MessageId
    repeated: Annotated[bool, Meta(description="It was stored by an earlier request of this id.")]


class Page(Answer, frozen=True):
    """To `history`: a part of a room, and where the room stands."""

    room: RoomName
    epoch: Epoch
    offset: Offset
    recovered: _Recovered
    after: _After
    publications: _Publications
    more: Annotated[bool, Meta(description="The room holds more in the direction of the read.")]


class Present(Answer, frozen=True):
    """To `members`: who is in a room now, over all gateways."""

    room: RoomName
    count: Annotated[int, Meta(ge=0)]
    members: Annotated[list[Person], Meta(max_length=MAX_MEMBERS)]


class Noted(Answer, frozen=True):
    """To `typing`."""


class Marked(Answer, frozen=True):
    """To `read`."""

    room: RoomName


class Pong(Answer, frozen=True):
    """To `ping`."""

    time_ms: Milliseconds


class Refusal(Struct, tag_field="type", tag="error"):
    """What was asked is not done. Decide by `code`, which is stable; `detail` is for people."""

    id: Id
    code: str
    detail: str
    stored: Annotated[
        Literal["no", "unknown"] | UnsetType,
        Meta(description="In answers to `send`. After `unknown` send it again with the same message_id."),
    ] = UNSET
    retry_after: (
        Annotated[float, Meta(ge=0, description="Seconds, where the request is worth repeating as it is.")] | UnsetType
    ) = UNSET
