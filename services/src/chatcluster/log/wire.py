"""How the log is written in Redis: names of keys, and entries and answers as they come back.

Owns the layout that the scripts beside it share. Every key of a shard carries the same hash tag, so that a script finds
all of its keys in one slot. Knows no connection; apart from log.redis so that it can be read and tested by itself.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import DecodeError

from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName, ShardId, StreamId
from chatcluster.log import log
from chatcluster.v1 import logic_pb2, types_pb2 as pb

ROOM_EPOCH = re.compile(r"[0-9]{13}\.[0-9a-f]{8}\.[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one cluster's log."""

    prefix: str
    """Of every key, without braces: what stands in the first pair of them decides the slot."""

    def of_shard(self, shard: ShardId, *name: object) -> str:
        """`{<prefix>:<shard>}` and a name."""
        return ":".join([f"{{{self.prefix}:{shard}}}", *map(str, name)])

    def state(self, shard: ShardId) -> str:
        """A hash: identity, epoch, totals, cursor and owner."""
        return self.of_shard(shard, "shard")

    def dispatch(self, shard: ShardId) -> str:
        """A stream: what is to be delivered."""
        return self.of_shard(shard, "dispatch")

    def dead(self, shard: ShardId) -> str:
        """A stream: what was set aside."""
        return self.of_shard(shard, "dead")

    def dead_ids(self, shard: ShardId) -> str:
        """A hash: the dispatch ids of what was set aside."""
        return self.of_shard(shard, "dead-ids")

    def room(self, shard: ShardId, room: str) -> str:
        """A hash: a room's meta."""
        return self.of_shard(shard, "room", room)

    def history(self, shard: ShardId, room: str) -> str:
        """A stream: a room's publications."""
        return self.of_shard(shard, "hist", room)

    def registrations(self, shard: ShardId, room: str) -> str:
        """A hash: which gateways hold a room."""
        return self.of_shard(shard, "gw", room)

    def conversations(self, shard: ShardId, inbox: str) -> str:
        """A sorted set: the conversations from which an inbox has copies, by the place of the last one."""
        return self.of_shard(shard, "talks", inbox)

    def created(self, shard: ShardId, user: int) -> str:
        """A count: a user's new rooms."""
        return self.of_shard(shard, "new", user)

    def sent(self, shard: ShardId, draft: log.Draft) -> str:
        """A text: what became of a message id. 96 bits of a hash stand for room, sender and id."""
        named = f"{draft.room}\n{draft.sender}\n{draft.message_id}".encode()
        return self.of_shard(
            shard, "idem", base64.urlsafe_b64encode(hashlib.blake2b(named, digest_size=12).digest()).decode()
        )


def entry(written_as: str, fields: Mapping[bytes, bytes]) -> log.Entry:
    """A dispatch entry; what cannot be understood comes back as poison and never raises."""
    total, total_bytes = _number(fields.get(b"n")), _number(fields.get(b"z"))
    body, replayed = fields.get(b"b", b""), b"x" in fields
    bare = log.Entry(StreamId.parse(written_as), total, total_bytes, size=len(body), replayed=replayed)
    try:
        return _decode(bare, fields, body)
    except KeyError as exc:
        return replace(bare, poison=f"it has no field {exc}")
    except (ValueError, DecodeError, errors.Invalid) as exc:
        return replace(bare, poison=str(exc) or type(exc).__name__)


def _decode(bare: log.Entry, fields: Mapping[bytes, bytes], body: bytes) -> log.Entry:
    room = fields[b"r"].decode()
    ids.parse_room(room)
    match fields[b"k"]:
        case b"p":
            return replace(bare, publication=_publication(room, fields))
        case b"e":
            return replace(bare, ephemeral=_of_room(room, pb.Ephemeral.FromString(body)))
        case b"c":
            return replace(bare, control=_of_room(room, pb.Control.FromString(body)))
        case kind:
            raise ValueError(f"its kind is unknown: {kind!r}")


def _publication(room: str, fields: Mapping[bytes, bytes]) -> pb.Publication:
    epoch = fields[b"e"].decode()
    if not ROOM_EPOCH.fullmatch(epoch):
        raise ValueError("its epoch is none")
    return pb.Publication(
        room=room,
        epoch=epoch,
        offset=int(fields[b"o"]),
        time_ms=int(fields[b"t"]),
        body=fields[b"b"],
        origin=_origin(fields.get(b"s")),
    )


def _origin(written: bytes | None) -> pb.Origin | None:
    return None if written is None else pb.Origin.FromString(written)


def _of_room(room: str, item: Any) -> Any:
    if item.room != room:
        raise ValueError("it is for another room than it says")
    return item


def _number(text: bytes | None) -> int:
    # Totals only measure: where they cannot be read, those of the next entry make up for it.
    return int(text) if text and text.isdigit() and len(text) < 19 else 0


def dead_letter(written_as: bytes, values: Sequence[bytes]) -> log.DeadLetter:
    """A dead letter: the entry's id and the reason, then the entry as it stood in dispatch."""
    _, written_before, _, reason, *rest = values
    found = entry(written_before.decode(), dict(zip(rest[::2], rest[1::2], strict=True)))
    return log.DeadLetter(found, reason.decode(), StreamId.parse(written_as.decode()).ms)


def room_history(read: log.Read, answer: Sequence[Any]) -> logic_pb2.RoomHistory:
    """One room's answer from the history and register scripts; an empty one is of a room that never was."""
    if not answer:
        return nothing_in(read)
    epoch, offset, recovered, after, chain, found, more = answer
    return logic_pb2.RoomHistory(
        room=read.room,
        position=pb.Position(epoch=epoch.decode(), offset=offset),
        recovered=bool(recovered),
        publications=_publications(read.room, chain, found),
        after=after,
        more=bool(more),
    )


def nothing_in(read: log.Read) -> logic_pb2.RoomHistory:
    """The answer for a room that never was."""
    position = read.since if read.before is None else read.before
    recovered = position is None or (not position.epoch and not position.offset)
    return logic_pb2.RoomHistory(room=read.room, position=pb.Position(), recovered=recovered)


def _publications(room: RoomName, chain: Sequence[Any], found: Sequence[Any]) -> list[pb.Publication]:
    # History keeps no epochs: a publication has the one of the chain in which its offset was drawn. Before the chain
    # began that is its first, from which a reader can go on as well.
    links = [(epoch.decode(), base) for epoch, base in chain]
    publications = []
    for written_as, values in found:
        offset = int(written_as.partition(b"-")[0])
        while len(links) > 1 and links[1][1] < offset:
            links.pop(0)
        publications.append(
            pb.Publication(
                room=room,
                epoch=links[0][0],
                offset=offset,
                time_ms=int(values[1]),
                body=values[3],
                origin=_origin(values[5] if len(values) > 5 else None),
            )
        )
    return publications
