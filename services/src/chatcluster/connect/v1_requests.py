"""v1's client frames: from a payload's bytes to a request, as docs/protocol.md has them.

Owns the form of every request and which frames are none. Does not own framing, nor what a request does. Pure: whatever
the bytes are, nothing but `ProtocolError` and `Refused` is raised.
"""

from typing import Annotated

import msgspec

from chatcluster.connect import disconnects
from chatcluster.connect.protocol import ProtocolError
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName
from chatcluster.v1 import types_pb2 as pb

MAX_NUMBER = 2**53 - 1
"""What every JSON reader can hold exactly."""
MAX_TOKEN_CHARACTERS = 4096

_Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_NUMBER)]
_Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_NUMBER)]
_Token = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TOKEN_CHARACTERS)]
_Epoch = Annotated[str, msgspec.Meta(max_length=64)]
_Limit = Annotated[int, msgspec.Meta(ge=1, le=1000)]
_Age = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class Refused(Exception):
    """A request that is wrong in a way that can be told in answer to it."""

    def __init__(self, request: int, error: errors.ChatError) -> None:
        super().__init__(str(error))
        self.request = request
        self.error = error


class Position(msgspec.Struct, forbid_unknown_fields=True):
    """A place in a room."""

    epoch: _Epoch
    offset: _Number

    def to_message(self) -> pb.Position:
        """The same, as the programs tell it to one another."""
        return pb.Position(epoch=self.epoch, offset=self.offset)


class Request(msgspec.Struct, forbid_unknown_fields=True, tag_field="type"):
    """What all requests have."""

    id: _Id


class Auth(Request, tag="auth"):
    """Say whose connection it is: exactly one of the two."""

    token: _Token | None = None
    ticket: _Token | None = None

    def __post_init__(self) -> None:
        if (self.token is None) == (self.ticket is None):
            raise ValueError("auth has a token or a ticket")


class Join(Request, tag="join"):
    """Hear a room from a position on."""

    room: str
    since: Position | None = None


class Leave(Request, tag="leave"):
    """Hear it no more."""

    room: str


class Send(Request, tag="send"):
    """Publish to a room or to a user: exactly one of the two."""

    message_id: str
    text: str
    room: str | None = None
    user: _Number | None = None
    age_ms: _Age = 0

    def __post_init__(self) -> None:
        if (self.room is None) == (self.user is None):
            raise ValueError("send has a room or a user")


class History(Request, tag="history"):
    """Read a page of a room: after `since`, before `before`, or its newest."""

    room: str
    since: Position | None = None
    before: Position | None = None
    limit: _Limit = 50

    def __post_init__(self) -> None:
        if self.since is not None and self.before is not None:
            raise ValueError("history has since or before")


class Members(Request, tag="members"):
    """Who is in a room."""

    room: str


class Typing(Request, tag="typing"):
    """The user is typing there."""

    room: str


class Read(Request, tag="read"):
    """The user has read so far."""

    room: str
    epoch: _Epoch
    offset: _Number


class Ping(Request, tag="ping"):
    """Ask for the time."""


AnyRequest = Auth | Join | Leave | Send | History | Members | Typing | Read | Ping

_TYPES = {kind.__struct_config__.tag for kind in AnyRequest.__args__}


class _Envelope(msgspec.Struct):
    type: str
    id: _Id


_request = msgspec.json.Decoder(AnyRequest)
_envelope = msgspec.json.Decoder(_Envelope)


def is_request(payload: bytes) -> bool:
    """Whether a connection's first frame is one of this protocol's: an object that has a `type`."""
    try:
        return isinstance(msgspec.json.decode(payload, type=dict[str, msgspec.Raw]).get("type"), msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def read(payload: bytes) -> AnyRequest:
    """What a frame asks for.

    Raises `ProtocolError` for what is no request at all, `Refused` for one of a known type with an id whose other
    fields are wrong.
    """
    try:
        request: AnyRequest = _request.decode(payload)
    except UnicodeDecodeError as exc:
        raise ProtocolError(disconnects.NOT_UTF8) from exc
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise _refusal(payload, exc) from exc
    return request


def _refusal(payload: bytes, failure: Exception) -> Exception:
    try:
        envelope = _envelope.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ProtocolError(disconnects.BAD_FRAME, "not a JSON object with a type and an id")
    if envelope.type not in _TYPES:
        return ProtocolError(disconnects.BAD_FRAME, "no request of this protocol")
    return Refused(envelope.id, errors.Invalid(str(failure)))


def readable(request: Join | History | Members | Typing | Read, user: int) -> RoomName:
    """The room of a request, if that user may be in it. Raises `errors.Invalid` or `errors.Forbidden`."""
    ids.check_reader(request.room, ids.UserId(user))
    return RoomName(request.room)
