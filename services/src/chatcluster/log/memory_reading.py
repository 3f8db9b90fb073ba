"""What a reader may be told from the log in memory.

Owns the same rules as scripts/read.lua, in Python: which past a reader and a room have in common, and which page of the
history is wanted. Pure.
"""

from collections.abc import Iterable

from chatcluster.log import log
from chatcluster.log.memory_state import Room
from chatcluster.v1 import logic_pb2, types_pb2 as pb


def read(room: Room, wanted: log.Read, most: int) -> logic_pb2.RoomHistory:
    """One room's answer, with at most so many bytes of bodies unless the first alone is more."""
    answer = logic_pb2.RoomHistory(room=wanted.room, position=pb.Position(epoch=room.epoch, offset=room.offset))
    if wanted.since is None:
        _read_back(room, wanted, most, answer)
    else:
        _read_on(room, wanted, wanted.since, most, answer)
    return answer


def _read_on(room: Room, wanted: log.Read, since: pb.Position, most: int, answer: logic_pb2.RoomHistory) -> None:
    reached, whole = common(room, since)
    gone = room.offset - len(room.history)
    answer.after, answer.recovered = max(reached, gone), whole and reached >= gone
    found = _bounded(room.history[answer.after - gone :], wanted.limit, most)
    answer.publications.extend(found)
    answer.more = (found[-1].offset if found else answer.after) < room.offset


def _read_back(room: Room, wanted: log.Read, most: int, answer: logic_pb2.RoomHistory) -> None:
    last, answer.recovered = room.offset, True
    if wanted.before is not None:
        reached, answer.recovered = common(room, wanted.before)
        last = max(0, min(reached, wanted.before.offset - 1))
    gone = room.offset - len(room.history)
    found = _bounded(reversed(room.history[: max(0, last - gone)]), wanted.limit, most)[::-1]
    answer.publications.extend(found)
    answer.after = found[0].offset - 1 if found else last
    answer.more = answer.after > gone


def _bounded(publications: Iterable[pb.Publication], limit: int, most: int) -> list[pb.Publication]:
    kept: list[pb.Publication] = []
    size = 0
    for publication in publications:
        size += len(publication.body)
        if len(kept) >= limit or (kept and size > most):
            break
        kept.append(publication)
    return kept


def common(room: Room, since: pb.Position) -> tuple[int, bool]:
    """The last offset that the reader's past and the room's have in common, and whether that is all of the reader's."""
    if not since.epoch and not since.offset:
        return 0, True
    if since.epoch == room.epoch:
        return (since.offset, True) if since.offset <= room.offset else (room.offset, False)
    known = any(epoch == since.epoch for epoch, _ in room.chain)
    base = next((base for epoch, base in room.chain if epoch > since.epoch), room.chain[-1][1])
    return (since.offset, True) if known and since.offset <= base else (base, False)
