"""What a client asks of a gateway in v1, as types. Frames are read by them, and the AsyncAPI document has their
schemas.

Owns the names, types and bounds of the fields. Does not own how bytes become a request (connect.v1_requests), nor what
is done with it (connect.v1_client). Pure.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from chatcluster.core import ids
from chatcluster.frames.parts import MAX_EPOCH_CHARACTERS, MAX_EXACT, RoomName
from chatcluster.v1 import types_pb2 as pb

MAX_TOKEN_CHARACTERS = 4096

Id = Annotated[int, Meta(ge=1, le=MAX_EXACT, description="The client's own, best counted up; the answer has the same.")]
_Number = Annotated[int, Meta(ge=0, le=MAX_EXACT)]
_Token = Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN_CHARACTERS)]
_Epoch = Annotated[str, Meta(max_length=MAX_EPOCH_CHARACTERS)]
_Limit = Annotated[int, Meta(ge=1, le=1000)]
_Age = Annotated[int, Meta(ge=0, lt=2**32, description="How long ago the first try was, by the sender's own clock.")]
MessageId = Annotated[
    str,
    Meta(
        description="1 to 128 visible ASCII characters; the same again within ten minutes is the same message.",
        extra_json_schema={"pattern": ids.MESSAGE_ID_PATTERN},
    ),
]
"""The pattern is for readers of the schema: `ids.check_message_id` is what checks it."""
Text = Annotated[
    str,
    Meta(
        description="1 to 4,096 bytes of UTF-8 unless set otherwise, without control characters but newline and tab.",
        extra_json_schema={"minLength": 1},
    ),
]
"""Likewise: logic checks it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Two fields of which only one may be given."""

    one: str
    other: str
    needed: bool
    """Whether one of them has to be."""

    def check(self, request: "Request") -> None:
        """Raise ValueError for a request that has chosen otherwise."""
        given = sum(getattr(request, name) is not None for name in (self.one, self.other))
        if given > 1 or (self.needed and not given):
            raise ValueError(f"{request.__struct_config__.tag} has {self.one} or {self.other}")


class Position(Struct, forbid_unknown_fields=True):
    """A place in a room."""

    epoch: _Epoch
    offset: _Number

    def to_message(self) -> pb.Position:
        """The same, as the programs tell it to one another."""
        return pb.Position(epoch=self.epoch, offset=self.offset)


class Request(Struct, forbid_unknown_fields=True, tag_field="type"):
    """What all requests have."""

    id: Id

    choice: ClassVar[Choice | None] = None

    def __post_init__(self) -> None:
        if self.choice is not None:
            self.choice.check(self)


class Auth(Request, tag="auth"):
    """Say whose connection it is: by a session's token, or by a ticket that stands for it once."""

    token: _Token | None = None
    ticket: _Token | None = None

    choice = Choice("token", "ticket", needed=True)


class Join(Request, tag="join"):
    """Hear a room: from a position on, or from its newest publication."""

    room: RoomName
    since: Position | None = None


class Leave(Request, tag="leave"):
    """Hear it no more."""

    room: RoomName


class Send(Request, tag="send"):
    """Publish a text to a room, or privately to a user."""

    message_id: MessageId
    text: Text
    room: RoomName | None = None
    user: _Number | None = None
    age_ms: _Age = 0

    choice = Choice("room", "user", needed=True)


class History(Request, tag="history"):
    """Read a page of a room: on from `since`, back from `before`, or its newest."""

    room: RoomName
    since: Position | None = None
    before: Position | None = None
    limit: _Limit = 50

    choice = Choice("since", "before", needed=False)


class Members(Request, tag="members"):
    """Ask who is in a room."""

    room: RoomName


class Typing(Request, tag="typing"):
    """Tell a room that this user is typing, at most every 3 s."""

    room: RoomName


class Read(Request, tag="read"):
    """Store how far the user has read, and tell the room."""

    room: RoomName
    epoch: _Epoch
    offset: _Number


class Ping(Request, tag="ping"):
    """Ask for the time."""


AnyRequest = Auth | Join | Leave | Send | History | Members | Typing | Read | Ping
