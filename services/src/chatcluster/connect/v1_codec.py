"""How publications, presence and answers look to v1's clients: docs/protocol.md, as bytes.

Owns how what a gateway knows becomes v1's frames. Does not own their fields (frames), nor what is shown to whom: pushes
are the same bytes for every connection in a room. Pure.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec
from google.protobuf.message import DecodeError
from msgspec import Struct

from chatcluster.connect.room import Gap, Item, Reset
from chatcluster.core import errors
from chatcluster.frames import answers, parts, pushes
from chatcluster.frames.disconnects import Disconnect
from chatcluster.v1 import types_pb2 as pb

_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Page:
    """Publications as they stand in an answer."""

    publications: list[parts.Publication]
    """Encoded already: each stands for itself as a `msgspec.Raw`."""
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

    def answer(self, answer: answers.Answer) -> bytes:
        """The answer to a request that was done."""
        return self._frame(_json.encode(answer))

    def refuse(self, request: int, error: errors.ChatError, *, is_send: bool = False) -> bytes:
        """The answer to a request that was not; who sends is told whether it may be stored all the same."""
        told = answers.Refusal(request, error.code, str(error))
        if is_send:
            told.stored = "unknown" if isinstance(error, errors.OutcomeUnknown) else "no"
        if error.temporary:
            told.retry_after = round(error.retry_after or 1, 3)
        return self._frame(_json.encode(told))

    def reconnect(self, after: float) -> bytes:
        """The push before a gateway closes a connection; in seconds."""
        return self._frame(_json.encode(pushes.Reconnect(math.ceil(after * 1000))))

    def disconnect(self, cause: Disconnect) -> bytes:
        """The last frame where the transport itself cannot say why it ends."""
        return self._frame(_json.encode(pushes.Disconnect(cause.code, cause.reason, cause.reconnect)))

    def page(self, publications: Iterable[pb.Publication]) -> Page:
        """As many of them as an answer holds, the first ones; at least one if there is any."""
        found: list[parts.Publication] = []
        size = 0
        for publication in publications:
            part = _json.encode(shown(publication))
            size += len(part)
            if found and size > self._page_bytes:
                return Page(found, is_whole=False)
            found.append(cast("parts.Publication", msgspec.Raw(part)))
        return Page(found, is_whole=True)


def _push(item: Item) -> Struct | None:
    match item:
        case pb.Publication():
            return _published(item)
        case Gap():
            return pushes.Gap(item.room, item.first, item.last)
        case Reset():
            return pushes.Reset(item.room, item.position.epoch, item.position.offset)
    event = item.WhichOneof("event")
    return _EVENTS[event](item) if event in _EVENTS else None


def shown(publication: pb.Publication) -> parts.Publication:
    """A publication, but for its room; one that cannot be decoded says nothing, so that its offset is no hole."""
    return parts.publication(publication, _message(publication.body))


def _published(publication: pb.Publication) -> pushes.Published:
    return pushes.Published(room=publication.room, **parts.facts(publication, _message(publication.body)))


def _message(body: bytes) -> pb.Message:
    try:
        return pb.Message.FromString(body)
    except DecodeError:
        return pb.Message()


def _count(event: pb.Ephemeral) -> pushes.Presence:
    return pushes.Presence(event.room, event.count.count)


def _members(event: pb.Ephemeral) -> pushes.Presence:
    members = event.members
    return pushes.Presence(event.room, members.count, [parts.person(member) for member in members.members])


def _typing(event: pb.Ephemeral) -> pushes.IsTyping:
    return pushes.IsTyping(event.room, parts.person(event.typing.user), event.conversation or msgspec.UNSET)


def _read(event: pb.Ephemeral) -> pushes.HasRead:
    mark = event.read
    user, position = parts.person(mark.user), mark.position
    return pushes.HasRead(event.room, user, position.epoch, position.offset, event.conversation or msgspec.UNSET)


_EVENTS: Mapping[str, Callable[[pb.Ephemeral], pushes.Push]] = {
    "count": _count,
    "members": _members,
    "typing": _typing,
    "read": _read,
}
