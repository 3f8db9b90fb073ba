"""How publications, presence and answers look to v1's clients: docs/protocol.md, as bytes.

Owns v1's JSON. Does not own what is shown to whom: pushes are the same bytes for every connection in a room. Pure.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.message import DecodeError

from chatcluster.connect.disconnects import Disconnect
from chatcluster.connect.room import Gap, Item, Reset
from chatcluster.core import errors
from chatcluster.v1 import logic_pb2, types_pb2 as pb

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Page:
    """Publications as they stand in an answer."""

    parts: Sequence[msgspec.Raw]
    is_whole: bool
    """Whether all of them had room."""


class Codec:
    """v1's frames on one transport."""

    def __init__(self, protocol: str, frame: Callable[[bytes], bytes], page_bytes: int) -> None:
        """`page_bytes`: of publications in one answer."""
        self.protocol = protocol
        self._frame = frame
        self._page_bytes = page_bytes

    def encode(self, item: Item) -> bytes:
        """The frame that shows an item; empty for an event that this protocol does not show."""
        push = _push(item)
        return self._frame(_json.encode(push)) if push else b""

    def answer(self, request: int, fields: Mapping[str, Any]) -> bytes:
        """The answer to a request that was done."""
        return self._frame(_json.encode({"type": "ok", "id": request, **fields}))

    def refuse(self, request: int, error: errors.ChatError, **fields: str) -> bytes:
        """The answer to a request that was not."""
        told: dict[str, Any] = {"type": "error", "id": request, "code": error.code, "detail": str(error), **fields}
        if error.temporary:
            told["retry_after"] = round(error.retry_after or 1, 3)
        return self._frame(_json.encode(told))

    def reconnect(self, after: float) -> bytes:
        """The push before a gateway closes a connection; in seconds."""
        return self._frame(_json.encode({"type": "reconnect", "after_ms": math.ceil(after * 1000)}))

    def disconnect(self, cause: Disconnect) -> bytes:
        """The last frame where the transport itself cannot say why it ends."""
        told = {"code": cause.code, "reason": cause.reason, "reconnect": cause.reconnect}
        return self._frame(_json.encode({"type": "disconnect", **told}))

    def page(self, publications: Iterable[pb.Publication]) -> Page:
        """As many of them as an answer holds, the first ones; at least one if there is any."""
        parts: list[msgspec.Raw] = []
        size = 0
        for publication in publications:
            part = _json.encode(shown(publication))
            size += len(part)
            if parts and size > self._page_bytes:
                return Page(parts, is_whole=False)
            parts.append(msgspec.Raw(part))
        return Page(parts, is_whole=True)


def _push(item: Item) -> dict[str, Any] | None:
    match item:
        case pb.Publication():
            return {"type": "publication", "room": item.room, **shown(item)}
        case Gap():
            return {"type": "gap", "room": item.room, "from": item.first, "to": item.last}
        case Reset():
            return {"type": "reset", "room": item.room, "epoch": item.position.epoch, "offset": item.position.offset}
    event = item.WhichOneof("event")
    return _EVENTS[event](item) if event in _EVENTS else None


def shown(publication: pb.Publication) -> dict[str, Any]:
    """A publication, but for its room; one that cannot be decoded says nothing, so that its offset is no hole."""
    message = _message(publication.body)
    content: dict[str, Any] = {
        "epoch": publication.epoch,
        "offset": publication.offset,
        "time_ms": publication.time_ms,
        "id": message.id,
        "from": {"id": message.from_user_id, "name": message.from_user_name},
        "text": message.text,
    }
    if message.to_user_id:
        content["to"] = {"id": message.to_user_id, "name": message.to_user_name}
    if publication.HasField("origin"):
        origin = publication.origin
        content["origin"] = {"room": origin.room, "epoch": origin.epoch, "offset": origin.offset}
    return content


def _message(body: bytes) -> pb.Message:
    try:
        return pb.Message.FromString(body)
    except DecodeError:
        return pb.Message()


def user(found: logic_pb2.User) -> dict[str, Any]:
    """A user."""
    return {"id": found.id, "name": found.name}


def presence(found: pb.RoomPresence) -> dict[str, Any]:
    """Who is in a room."""
    return {"room": found.room, "count": found.count, "members": [_member(member) for member in found.members]}


def _member(member: pb.Member) -> dict[str, Any]:
    return {"id": member.user_id, "name": member.user_name}


def _count(event: pb.Ephemeral) -> dict[str, Any]:
    return {"type": "presence", "room": event.room, "count": event.count.count}


def _members(event: pb.Ephemeral) -> dict[str, Any]:
    return {"type": "presence", **presence(event.members)}


def _typing(event: pb.Ephemeral) -> dict[str, Any]:
    return {"type": "typing", "room": event.room, "user": _member(event.typing.user)}


def _read(event: pb.Ephemeral) -> dict[str, Any]:
    position = event.read.position
    place = {"epoch": position.epoch, "offset": position.offset}
    return {"type": "read", "room": event.room, "user": _member(event.read.user), **place}


_EVENTS: Mapping[str, Callable[[pb.Ephemeral], dict[str, Any]]] = {
    "count": _count,
    "members": _members,
    "typing": _typing,
    "read": _read,
}
