"""gochat's client frames: from a payload's bytes to what the client wants.

Owns how gochat reads JSON (Go's encoding/json) as far as its clients can notice, and which frames are errors. Does not
own framing, sessions or what a command does. Pure: whatever the bytes are, nothing but `ProtocolError` is raised.

Both transports speak of the same two things, each in its own words:

    websocket   {"authToken", "roomId"}                every frame is a Join
    TCP         {"authToken", "roomId", "op", "msg"}   op 6 is a Join, op 3 a Send, other ops mean nothing
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from chatcluster.core import ids
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect

OP_SEND = 3
OP_JOIN = 6

_INT64 = 2**63


class ProtocolError(Exception):
    """A frame that the gateway does not accept. `disconnect` says what becomes of the connection."""

    def __init__(self, disconnect: Disconnect, detail: str = "") -> None:
        super().__init__(detail or disconnect.reason)
        self.disconnect = disconnect


class Malformed(ProtocolError):
    """A TCP payload that cannot be decoded; gochat tolerates two of them on a connection."""

    def __init__(self, detail: str) -> None:
        super().__init__(disconnects.BAD_FRAME, detail)


@dataclass(frozen=True, slots=True)
class Join:
    """Be the user of this session, and be in this room and no other."""

    token: str
    room: RoomName | None
    """None: in no room."""


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a text to a room."""

    token: str
    room: RoomName
    text: str


def read_websocket(payload: bytes) -> Join:
    """What a websocket message means. Fields of a wrong type count as absent, as gochat has it.

    Raises `ProtocolError`: not UTF-8, not a JSON object, no token, or a room id over 2^31-1.
    """
    try:
        fields = _fields(payload)
    except UnicodeDecodeError as exc:
        raise ProtocolError(disconnects.NOT_UTF8) from exc
    except ValueError as exc:
        raise ProtocolError(disconnects.BAD_FRAME, "not a JSON object with authToken and roomId") from exc
    token, number = fields.get("authtoken"), fields.get("roomid")
    if not isinstance(token, str) or not token:
        raise ProtocolError(disconnects.BAD_SESSION)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        return Join(_valid(token), None)
    return Join(_valid(token), _room(number))


def read_tcp(payload: bytes) -> Join | Send | None:
    """What a TCP payload means; None for ops that mean nothing.

    Raises `Malformed` for what Go could not decode into its struct, `ProtocolError` for an empty token or a room id
    outside 1 … 2^31-1.
    """
    try:
        fields = _fields(payload)
    except ValueError as exc:  # UnicodeDecodeError is one too
        raise Malformed("not a JSON object") from exc
    token, text = _typed(fields, "authtoken", str, ""), _typed(fields, "msg", str, "")
    number, op = _typed(fields, "roomid", int, 0), _typed(fields, "op", int, 0)
    if not token:
        raise ProtocolError(disconnects.BAD_SESSION)
    room = _room(number)
    if op == OP_JOIN:
        return Join(_valid(token), room)
    return Send(_valid(token), room, _valid(text)) if op == OP_SEND else None


def _fields(payload: bytes) -> Mapping[str, Any]:
    """The object's fields by folded name, as Go matches names; the last of equal names wins. Raises ValueError."""
    try:
        value = json.loads(payload.decode(), parse_constant=_refuse, parse_int=_integer)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of the text, not of our argument
    return {name.casefold(): field for name, field in value.items()}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int | float:
    # Go has no integers beyond 64 bits; Python refuses to convert very long ones at all. Either way it is no room's id.
    return int(digits) if len(digits) < 20 and abs(int(digits)) < _INT64 else float("inf")


def _typed(fields: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """A field of that type; null counts as absent, anything else is what Go refuses to decode."""
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Malformed(f"{name} is not of type {kind.__name__}")
    return value


def _room(number: int) -> RoomName:
    if not 1 <= number <= ids.MAX_INT:
        raise ProtocolError(disconnects.BAD_ROOM, f"roomId {number} is not from 1 to {ids.MAX_INT}")
    return ids.room(number)


def _valid(text: str) -> str:
    """The text with U+FFFD for lone surrogates, which JSON can escape and UTF-8 cannot carry; so Go decodes them."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
