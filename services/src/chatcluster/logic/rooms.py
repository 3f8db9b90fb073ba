"""Rooms of a user: the open ones that they keep, and their private conversations.

Owns how these lists are put together. Does not own them: rooms are kept by the bookmarks port, conversations are known
from what was copied into the inbox (the log's), and what is unread follows from marks.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from google.protobuf.message import DecodeError

from chatcluster.accounts import accounts
from chatcluster.bookmarks import bookmarks
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.log import log
from chatcluster.logic import marks, outcomes, reading, sessions
from chatcluster.v1 import logic_pb2, types_pb2 as pb

CONVERSATIONS = 200
"""In one list; those that were spoken in last."""


class Rooms:
    """Keeps and lists rooms."""

    def __init__(
        self,
        sessions: sessions.Sessions,
        bookmarks: bookmarks.Bookmarks,
        marks: marks.Marks,
        log: log.Log,
        most: int,
    ) -> None:
        """`most`: rooms that a user may keep."""
        self._sessions = sessions
        self._bookmarks = bookmarks
        self._marks = marks
        self._log = log
        self._most = most

    async def keep(self, session: bytes, room: str) -> logic_pb2.KeptRoom:
        """Put an open room on a user's list, read as far as it stands now.

        Raises `SessionEnded`, `Invalid` (not an open room), `TooManyRooms`.
        """
        user = (await self._sessions.require(session)).user
        name = _open_room(room)
        (history,) = await self._log.history([log.Read(name, None, 0)])
        position = marks.answered(history).position
        if not await outcomes.repeated_once(lambda: self._bookmarks.keep(user, name, position, self._most)):
            raise errors.TooManyRooms(f"a user keeps at most {self._most} rooms")
        kept = [found for found in await self._bookmarks.kept(user) if found.room == name]
        return (await self._standing(user, kept or [bookmarks.Kept(name, position)]))[0]

    async def drop(self, session: bytes, room: str) -> None:
        """Take a room off a user's list; nothing to do when it is not on it. Raises `SessionEnded`, `Invalid`."""
        user = (await self._sessions.require(session)).user
        name = _open_room(room)
        await outcomes.repeated_once(lambda: self._bookmarks.drop(user, name))

    async def kept(self, session: bytes) -> list[logic_pb2.KeptRoom]:
        """A user's list, in the order in which the rooms were kept. Raises `SessionEnded`."""
        user = (await self._sessions.require(session)).user
        return await self._standing(user, await self._bookmarks.kept(user))

    async def _standing(self, user: UserId, kept: Sequence[bookmarks.Kept]) -> list[logic_pb2.KeptRoom]:
        names = [entry.room for entry in kept]
        marked = await self._marks.of(user, names)
        read = [_later(mark, entry.position) for mark, entry in zip(marked, kept, strict=True)]
        standings = await self._marks.standings(names, read)
        return [
            logic_pb2.KeptRoom(room=name, position=standing.position, read=mark, unread=standing.unread)
            for name, standing, mark in zip(names, standings, read, strict=True)
        ]


class Conversations:
    """Lists private conversations."""

    def __init__(
        self,
        sessions: sessions.Sessions,
        accounts: accounts.Accounts,
        marks: marks.Marks,
        log: log.Log,
        answer_bytes: int,
    ) -> None:
        self._sessions = sessions
        self._accounts = accounts
        self._marks = marks
        self._log = log
        self._answer_bytes = answer_bytes

    async def of(self, session: bytes) -> list[logic_pb2.Conversation]:
        """A user's conversations, the one that was last spoken in first, each with what was said last.

        Once these fill `answer_bytes`, further conversations come without it. Raises `SessionEnded`.
        """
        user = (await self._sessions.require(session)).user
        names = await self._log.conversations(ids.inbox(user), CONVERSATIONS)
        read = await self._marks.of(user, names)
        standings, last = await asyncio.gather(self._marks.standings(names, read), self._last(names))
        found = [
            logic_pb2.Conversation(room=name, position=standing.position, read=mark, unread=standing.unread)
            for name, standing, mark in zip(names, standings, read, strict=True)
        ]
        for conversation, publication in zip(found, last, strict=True):
            await self._add(conversation, publication, user)
        return found

    async def _last(self, names: Sequence[RoomName]) -> list[pb.Publication | None]:
        async def step(reads: Sequence[log.Read]) -> Iterable[logic_pb2.RoomHistory]:
            return [marks.answered(history) for history in await self._log.history(reads)]

        reads = [log.Read(name, None, 1) for name in names]
        found = await reading.within(self._answer_bytes, reads, step, lambda history: history)
        return [history.publications[-1] if history.publications else None for history in found]

    async def _add(self, conversation: logic_pb2.Conversation, last: pb.Publication | None, user: UserId) -> None:
        """What is known from the last publication. Who wrote it has read all that was before."""
        other = _other(conversation.room, user)
        message = _message(last)
        if last is not None:
            conversation.last.CopyFrom(last)
        if message.from_user_id == user:
            conversation.unread = 0
        name = {message.from_user_id: message.from_user_name, message.to_user_id: message.to_user_name}.get(other)
        conversation.user.id = other
        conversation.user.name = name or await self._accounts.name_of(other) or ""


def _open_room(room: str) -> RoomName:
    if ids.parse_room(room).kind != "room":
        raise errors.Invalid("only open rooms are kept: private conversations list themselves")
    return RoomName(room)


def _later(mark: pb.Position | None, position: pb.Position) -> pb.Position:
    return position if mark is None or bookmarks.is_later(position, mark) else mark


def _other(conversation: str, user: UserId) -> UserId:
    users = ids.parse_room(conversation).users
    return next((other for other in users if other != user), user)


def _message(publication: pb.Publication | None) -> pb.Message:
    message = pb.Message()
    if publication is not None:
        with suppress(DecodeError):  # shown by nobody: then the conversation says where it stands, and no more
            message.ParseFromString(publication.body)
    return message
