"""Read marks: how far a user has read a room, stored, told to the others, and counted against where the room stands.

Owns what a mark may say: only what the room has. Does not own marks' order and bounds (the bookmarks port) nor a room's
past (the log's).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatcluster.bookmarks import bookmarks
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.log import log
from chatcluster.logic import hints, outcomes, sessions
from chatcluster.v1 import logic_pb2, types_pb2 as pb


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a room stands for a reader."""

    position: pb.Position
    unread: int
    """Publications that history holds after what the reader has read."""


class Marks:
    """Sets and shows read marks."""

    def __init__(
        self, sessions: sessions.Sessions, bookmarks: bookmarks.Bookmarks, log: log.Log, hints: hints.Hints
    ) -> None:
        self._sessions = sessions
        self._bookmarks = bookmarks
        self._log = log
        self._hints = hints

    async def mark(self, request: logic_pb2.MarkReadRequest) -> pb.Position:
        """Store how far a user has read and tell the room; what is stored now.

        A position of an epoch that is over, or one beyond the end, becomes the last one that it and the room have in
        common; in a room that never was nothing can be read, and nothing is stored. Raises `SessionEnded`, `Invalid`,
        `Forbidden`.
        """
        user = await self._sessions.require(request.session)
        ids.check_reader(request.room, user.user)
        if not request.HasField("position"):
            raise errors.Invalid("a mark needs a position")
        room = RoomName(request.room)
        there = await self._in_common(room, request.position)
        if not there.epoch:
            return there
        stored = await outcomes.repeated_once(lambda: self._bookmarks.mark(user.user, room, there))
        mark = pb.ReadMark(user=pb.Member(user_id=user.user, user_name=user.name), position=stored)
        if await outcomes.repeated_once(lambda: self._bookmarks.show(room, mark)):
            await self._hints.tell(pb.Ephemeral(room=room, read=mark))
        return stored

    async def shown(self, session: bytes, room: str) -> list[pb.ReadMark]:
        """The marks of those who set them last. Raises `SessionEnded`, `Invalid`, `Forbidden`."""
        user = (await self._sessions.require(session)).user
        ids.check_reader(room, user)
        return await self._bookmarks.shown(RoomName(room))

    async def of(self, user: UserId, rooms: Sequence[RoomName]) -> list[pb.Position | None]:
        """How far a user has read rooms; None where that is not known."""
        return await self._bookmarks.marks(user, rooms)

    async def standings(self, rooms: Sequence[RoomName], read: Sequence[pb.Position | None]) -> list[Standing]:
        """Where rooms stand, and how much is unread in each after a position, or from the beginning of its history."""
        reads = [log.Read(room, since or pb.Position(), 0) for room, since in zip(rooms, read, strict=True)]
        found = [answered(history) for history in await self._log.history(reads)]
        return [Standing(history.position, history.position.offset - history.after) for history in found]

    async def _in_common(self, room: RoomName, position: pb.Position) -> pb.Position:
        (history,) = await self._log.history([log.Read(room, position, 0)])
        return pb.Position(epoch=answered(history).position.epoch, offset=history.after)


def answered(history: logic_pb2.RoomHistory) -> logic_pb2.RoomHistory:
    """The history, if it could be read. Raises the error that it carries."""
    if history.error:
        raise errors.by_code(history.error)
    return history
