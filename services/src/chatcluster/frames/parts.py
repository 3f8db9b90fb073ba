"""Parts of what clients are shown, the same in a frame and in an answer of the REST api.

Owns the names, types and bounds of their fields. Does not own the frames (requests, answers, pushes), nor what else the
REST api says (api.shapes). Pure.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chatcluster.core import ids
from chatcluster.v1 import logic_pb2, types_pb2

MAX_EXACT = 2**53 - 1
"""What every JSON reader can hold exactly."""
MAX_EPOCH_CHARACTERS = 64
MAX_MEMBERS = 200
"""Of a room that are named; of a larger one only the number is told."""

Epoch = Annotated[str, Meta(max_length=MAX_EPOCH_CHARACTERS, description="Of a room; '' where nothing was ever said.")]
Offset = Annotated[int, Meta(ge=0, le=MAX_EXACT)]
Milliseconds = Annotated[int, Meta(ge=0, description="Since 1970, by the server's clock.", examples=[1795461643180])]
RoomName = Annotated[
    str,
    Meta(
        description="room:<1-64 of A-Z a-z 0-9 . _ ->, dm:<smaller user id>:<larger user id> or user:<user id>.",
        extra_json_schema={"format": "room", "pattern": ids.ROOM_PATTERN},
    ),
]
"""The pattern is for readers of the schema: `ids.parse_room` is what checks a name."""


class Person(Struct, frozen=True):
    """A user. 0 and '' where a publication says nothing of its sender."""

    id: Annotated[int, Meta(ge=0, le=ids.MAX_INT)]
    name: str


class Position(Struct, frozen=True):
    """A place in a room."""

    epoch: Epoch
    offset: Offset


class Origin(Struct, frozen=True):
    """The place in the conversation of which an inbox has a copy."""

    room: RoomName
    epoch: Epoch
    offset: Offset


class Publication(Struct, frozen=True):
    """A message with its place in its room."""

    epoch: Epoch
    offset: Offset
    time_ms: Milliseconds
    id: Annotated[str, Meta(description="The sender's own.")]
    sender: Person = msgspec.field(name="from")
    text: str
    to: Annotated[Person | UnsetType, Meta(description="In a private conversation and in an inbox.")] = UNSET
    origin: Annotated[Origin | UnsetType, Meta(description="In an inbox.")] = UNSET


def person(user: logic_pb2.User | types_pb2.Member) -> Person:
    """A user as clients get it."""
    if isinstance(user, types_pb2.Member):
        return Person(user.user_id, user.user_name)
    return Person(user.id, user.name)


def position(place: types_pb2.Position) -> Position:
    """A position as clients get it."""
    return Position(place.epoch, place.offset)


def publication(found: types_pb2.Publication, message: types_pb2.Message) -> Publication:
    """A publication as clients get it; `message` is what its body holds."""
    return Publication(**facts(found, message))


def facts(found: types_pb2.Publication, message: types_pb2.Message) -> dict[str, Any]:
    """The fields of a publication as clients get it."""
    origin = found.origin
    return {
        "epoch": found.epoch,
        "offset": found.offset,
        "time_ms": found.time_ms,
        "id": message.id,
        "sender": Person(message.from_user_id, message.from_user_name),
        "text": message.text,
        "to": Person(message.to_user_id, message.to_user_name) if message.to_user_id else UNSET,
        "origin": Origin(origin.room, origin.epoch, origin.offset) if found.HasField("origin") else UNSET,
    }
