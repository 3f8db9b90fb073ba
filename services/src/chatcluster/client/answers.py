"""What the gateway answers to each kind of request, on the wire and as an application sees it.

Owns these types, and which kind has which. Does not own what follows from an answer (protocol, rooms). Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from chatcluster.client import frames
from chatcluster.client.items import Page, Position, Presence, Receipt, Session


class JoinAnswer(msgspec.Struct, frozen=True):
    """To `join`."""

    epoch: str
    offset: int
    recovered: bool = True
    after: int = 0
    publications: list[frames.Publication] = []
    joined: bool = True


class SendAnswer(msgspec.Struct, frozen=True):
    """To `send`."""

    room: str
    epoch: str
    offset: int
    time_ms: int
    message_id: str
    repeated: bool = False

    def receipt(self) -> Receipt:
        """The same, as an application sees it."""
        return Receipt(self.room, Position(self.epoch, self.offset), self.time_ms, self.message_id, self.repeated)


class HistoryAnswer(msgspec.Struct, frozen=True):
    """To `history`."""

    room: str
    epoch: str
    offset: int
    recovered: bool = True
    after: int = 0
    publications: list[frames.Publication] = []
    more: bool = False

    def page(self) -> Page:
        """The same, as an application sees it."""
        messages = tuple(each.message(self.room) for each in self.publications)
        return Page(self.room, Position(self.epoch, self.offset), messages, self.recovered, self.after, self.more)


class MembersAnswer(msgspec.Struct, frozen=True):
    """To `members`."""

    room: str
    count: int
    members: list[frames.Person] = []

    def presence(self) -> Presence:
        """The same, as an application sees it."""
        return Presence(self.room, self.count, tuple(each.user for each in self.members))


class PingAnswer(msgspec.Struct, frozen=True):
    """To `ping`."""

    time_ms: int


class AuthAnswer(msgspec.Struct, frozen=True):
    """To `auth`."""

    user: frames.Person
    expires_ms: int = 0
    time_ms: int = 0

    def session(self) -> Session:
        """The same, as an application sees it."""
        return Session(self.user.user, self.expires_ms, self.time_ms)


class Opened(msgspec.Struct, frozen=True):
    """To logging in or registering, by REST."""

    token: str
    expires_ms: int
    user: frames.Person


class Gateways(msgspec.Struct, frozen=True):
    """Where clients connect."""

    websocket: list[str] = []


class KeptRoom(msgspec.Struct, frozen=True):
    """A room that the user keeps."""

    room: str
    epoch: str
    offset: int
    unread: int = 0


class KeptRooms(msgspec.Struct, frozen=True):
    """All of them."""

    rooms: list[KeptRoom] = []


class Conversation(msgspec.Struct, frozen=True):
    """A private conversation."""

    room: str
    user: frames.Person
    offset: int
    unread: int = 0


class Conversations(msgspec.Struct, frozen=True):
    """All of them."""

    conversations: list[Conversation] = []


def read(kind: str, fields: Mapping[str, Any]) -> Receipt | Page | Presence | int | None:
    """The answer to a request of this kind. Raises `frames.BadFrame`."""
    match kind:
        case "send":
            return frames.read(fields, SendAnswer).receipt()
        case "history":
            return frames.read(fields, HistoryAnswer).page()
        case "members":
            return frames.read(fields, MembersAnswer).presence()
        case "ping":
            return frames.read(fields, PingAnswer).time_ms
        case _:
            return None
