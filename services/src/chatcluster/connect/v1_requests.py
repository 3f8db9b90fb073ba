"""v1's client frames: from a payload's bytes to a request, as docs/protocol.md has them.

Owns which frames are no requests, and what is said of one that is wrong. Does not own the requests' fields
(frames.requests), nor what a request does. Pure: whatever the bytes are, nothing but `ProtocolError` and `Refused` is
raised.
"""

import msgspec

from chatcluster.connect.protocol import ProtocolError
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.frames.requests import AnyRequest, History, Id, Join, Members, Read, Send, Typing


class Refused(Exception):
    """A request that is wrong in a way that can be told in answer to it."""

    def __init__(self, request: int, error: errors.ChatError, *, is_send: bool) -> None:
        super().__init__(str(error))
        self.request = request
        self.is_send = is_send
        self.error = error


_SEND = Send.__struct_config__.tag
_TYPES = {kind.__struct_config__.tag for kind in AnyRequest.__args__}


class _Envelope(msgspec.Struct):
    type: str
    id: Id


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
    return Refused(envelope.id, errors.Invalid(str(failure)), is_send=envelope.type == _SEND)


def readable(request: Join | History | Members | Typing | Read, user: int) -> RoomName:
    """The room of a request, if that user may be in it. Raises `errors.Invalid` or `errors.Forbidden`."""
    ids.check_reader(request.room, ids.UserId(user))
    return RoomName(request.room)
