"""Frames of the v1 protocol, as typed values.

Owns the JSON of docs/protocol.md. Does not own what follows from a frame (protocol, track). Pure. Unknown fields and
unknown pushes are ignored, as the protocol wants it of clients; anything else that does not fit is `BadFrame`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from chatcluster.client.items import Message, Origin, Position, User

T = TypeVar("T")


class BadFrame(Exception):
    """A frame that is not of this protocol."""


class Person(msgspec.Struct, frozen=True):
    """Somebody, on the wire."""

    id: int
    name: str

    @property
    def user(self) -> User:
        """The same, as an application sees it."""
        return User(self.id, self.name)


class Place(msgspec.Struct, frozen=True):
    """A position in another room, on the wire."""

    room: str
    epoch: str
    offset: int

    @property
    def origin(self) -> Origin:
        """The same, as an application sees it."""
        return Origin(self.room, Position(self.epoch, self.offset))


class Publication(msgspec.Struct, frozen=True):
    """A publication, as a push or in an answer, which names the room once for all."""

    epoch: str
    offset: int
    time_ms: int
    id: str
    sender: Person = msgspec.field(name="from")
    text: str
    room: str = ""
    to: Person | None = None
    origin: Place | None = None

    def message(self, room: str) -> Message:
        """The same, as an application sees it."""
        origin = self.origin.origin if self.origin else None
        recipient = self.to.user if self.to else None
        position = Position(self.epoch, self.offset)
        return Message(room, position, self.time_ms, self.id, self.sender.user, self.text, recipient, origin)


class PresencePush(msgspec.Struct, frozen=True):
    """Who is here."""

    room: str
    count: int
    members: list[Person] | None = None


class TypingPush(msgspec.Struct, frozen=True):
    """Somebody writes."""

    room: str
    user: Person
    conversation: str = ""


class ReadPush(msgspec.Struct, frozen=True):
    """Somebody has read."""

    room: str
    user: Person
    epoch: str
    offset: int
    conversation: str = ""


class GapPush(msgspec.Struct, frozen=True):
    """Offsets that are gone."""

    room: str
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")


class ResetPush(msgspec.Struct, frozen=True):
    """The store lost what came after a position."""

    room: str
    epoch: str
    offset: int


class ReconnectPush(msgspec.Struct, frozen=True):
    """The gateway stops."""

    after_ms: int


class Ok(msgspec.Struct, frozen=True):
    """A request was done; `fields` are for `read` with the answer that this request has."""

    id: int
    fields: Mapping[str, Any]


class Refusal(msgspec.Struct, frozen=True):
    """A request was not done."""

    id: int
    code: str
    detail: str = ""
    stored: str = "no"
    retry_after: float | None = None


Push = Publication | PresencePush | TypingPush | ReadPush | GapPush | ResetPush | ReconnectPush
_PUSHES: Mapping[str, type[Push]] = {
    "publication": Publication,
    "presence": PresencePush,
    "typing": TypingPush,
    "read": ReadPush,
    "gap": GapPush,
    "reset": ResetPush,
    "reconnect": ReconnectPush,
}


def decode(text: str | bytes) -> Push | Ok | Refusal | None:
    """One frame of a gateway; None for one that a newer gateway may send and this client does not know."""
    document = parse(text)
    match document.get("type"):
        case "ok":
            return Ok(read({"id": document.get("id")}, dict[str, int])["id"], document)
        case "error":
            return read({**document, "id": document.get("id") or 0}, Refusal)
        case str(kind):
            return read(document, _PUSHES[kind]) if kind in _PUSHES else None
        case _:
            raise BadFrame("it has no type")


def parse(text: str | bytes) -> dict[str, Any]:
    """A JSON object. Raises `BadFrame`."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadFrame(f"it is not JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise BadFrame("it is no JSON object")
    return document


def read(fields: Mapping[str, Any], answer: type[T]) -> T:
    """What an answer says. Raises `BadFrame`."""
    try:
        return msgspec.convert(fields, answer)
    except msgspec.MsgspecError as exc:
        raise BadFrame(str(exc)) from exc


def encode(request_id: int, fields: Mapping[str, Any]) -> str:
    """One request, without the fields that are not set."""
    given = {name: value for name, value in fields.items() if value is not None}
    return msgspec.json.encode({"id": request_id, **given}).decode()
