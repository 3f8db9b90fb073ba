"""Reading: history, within what one answer may hold.

Owns who may read which room and the bound on an answer. Does not own what a reader has missed: that is the log's.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.log import log
from chatcluster.logic import sessions
from chatcluster.v1 import logic_pb2

MAX_READS = 200
"""Rooms in one read."""
MAX_LIMIT = 1000
"""Publications of one room in one read."""
ROOMS_AT_ONCE = 32
"""Rooms that are read in one step of the log. Each may bring `log.Limits.read_bytes`, so this times that is the most
that one request holds in memory."""

_A = TypeVar("_A")


class Reading:
    """Reads history for users and for gateways."""

    def __init__(self, sessions: sessions.Sessions, log: log.Log, answer_bytes: int) -> None:
        self._sessions = sessions
        self._log = log
        self._answer_bytes = answer_bytes

    async def read(self, session: bytes, reads: Sequence[logic_pb2.RoomRead]) -> list[logic_pb2.RoomHistory]:
        """Read at most 200 rooms, in the order asked for; an empty session is a gateway's, which may read all.

        A room that the user may not read, or that is none, carries the error in its answer. Once the answers hold
        `answer_bytes`, further rooms say where they stand without their publications; those that were not read on from
        a position carry `busy`, since their readers could not go on with what the answer says.
        """
        check_count(len(reads), MAX_READS)
        reader = (await self._sessions.require(session)).user if session else None
        refused = {n: refusal for n, read in enumerate(reads) if (refusal := _refusal(read, reader))}
        allowed = [to_log(read) for n, read in enumerate(reads) if n not in refused]
        found = iter(await self._history(allowed))
        return [refused[n] if n in refused else next(found) for n in range(len(reads))]

    async def _history(self, reads: Sequence[log.Read]) -> list[logic_pb2.RoomHistory]:
        found = await within(self._answer_bytes, reads, self._log.history, _itself)
        for read, history in zip(reads, found, strict=True):
            if read.since is None and read.limit and history.more and not history.publications:
                history.error = errors.Busy.code
        return found


def to_log(read: logic_pb2.RoomRead) -> log.Read:
    """What a caller wants of a room, in the log's words. Raises `errors.Invalid`."""
    ids.parse_room(read.room)
    if read.limit > MAX_LIMIT:
        raise errors.Invalid(f"at most {MAX_LIMIT} publications of a room can be read at once, not {read.limit}")
    since = read.since if read.HasField("since") else None
    before = read.before if read.HasField("before") else None
    if since is not None and before is not None:
        raise errors.Invalid("a room is read on from a position or back from one, not both")
    return log.Read(RoomName(read.room), since, read.limit, before)


def check_count(count: int, most: int) -> None:
    """Raise `errors.Invalid` when a batch has more rooms than it may."""
    if count > most:
        raise errors.Invalid(f"a request has at most {most} rooms, this one has {count}")


async def within(
    budget: int,
    reads: Sequence[log.Read],
    step: Callable[[Sequence[log.Read]], Awaitable[Iterable[_A]]],
    history: Callable[[_A], logic_pb2.RoomHistory],
) -> list[_A]:
    """Answer reads in order; from `budget` bytes of answers on without publications.

    Each room still says where it stands, so its reader sees that there is more and asks again. The bound may be passed
    by one room's history.
    """
    answers: list[_A] = []
    used = 0
    for part in _parts(reads):
        wanted = part if used < budget else [replace(read, limit=0) for read in part]
        for answer in await step(wanted):
            if used >= budget and history(answer).publications:
                history(answer).ClearField("publications")
                history(answer).more = True
            used += history(answer).ByteSize()
            answers.append(answer)
    return answers


def _parts(reads: Sequence[log.Read]) -> Iterator[Sequence[log.Read]]:
    return (reads[start : start + ROOMS_AT_ONCE] for start in range(0, len(reads), ROOMS_AT_ONCE))


def _refusal(read: logic_pb2.RoomRead, reader: UserId | None) -> logic_pb2.RoomHistory | None:
    """The answer for a room that cannot be read, or None when it can."""
    try:
        to_log(read)
        if reader is not None:
            ids.check_reader(read.room, reader)
    except errors.ChatError as exc:
        return logic_pb2.RoomHistory(room=read.room, error=exc.code)
    return None


def _itself(history: logic_pb2.RoomHistory) -> logic_pb2.RoomHistory:
    return history
