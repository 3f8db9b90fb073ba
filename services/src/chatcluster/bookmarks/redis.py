"""Bookmarks in Redis: three hashes, each in a slot of its own.

Owns their keys and scripts. A user's list and marks, and a room's marks, are never touched by one step, so nothing has
to be in one slot with anything else.
"""

from collections.abc import Sequence

from chatcluster.bookmarks import bookmarks
from chatcluster.core.ids import RoomName, UserId
from chatcluster.core.redis import Argument, Client, Script
from chatcluster.v1 import types_pb2 as pb


def _script(name: str) -> Script:
    return Script.load("chatcluster.bookmarks", name, repeatable=True)


_KEEP = _script("keep")
_DROP = _script("drop")
_KEPT = _script("kept")
_MARK = _script("mark")
_MARKS = _script("marks")
_SHOW = _script("show")
_SHOWN = _script("shown")


class RedisBookmarks:
    """The bookmarks port over Redis. `prefix` is the cluster's, `chat:<name>`."""

    def __init__(self, client: Client, prefix: str, limits: bookmarks.Limits | None = None) -> None:
        self._client = client
        self._prefix = prefix
        self._limits = limits or bookmarks.Limits()

    async def keep(self, user: UserId, room: RoomName, position: pb.Position, most: int) -> bool:
        """See the port."""
        return bool(await self._client.run(_KEEP, [self._key("kept", user)], [room, _written(position), most]))

    async def drop(self, user: UserId, room: RoomName) -> None:
        """See the port."""
        await self._client.run(_DROP, [self._key("kept", user)], [room])

    async def kept(self, user: UserId) -> list[bookmarks.Kept]:
        """See the port."""
        found = await self._client.run(_KEPT, [self._key("kept", user)])
        lines = []
        for room, line in zip(found[::2], found[1::2], strict=True):
            number, _, position = line.decode().partition(" ")
            lines.append((int(number), bookmarks.Kept(RoomName(room.decode()), _position(position))))
        return [kept for _, kept in sorted(lines, key=lambda line: line[0])]

    async def mark(self, user: UserId, room: RoomName, position: pb.Position) -> pb.Position:
        """See the port."""
        limits = self._limits
        arguments: list[Argument] = [room, position.offset, position.epoch, limits.marks, _ms(limits.marks_ttl)]
        return _position((await self._client.run(_MARK, [self._key("read", user)], arguments)).decode())

    async def marks(self, user: UserId, rooms: Sequence[RoomName]) -> list[pb.Position | None]:
        """See the port."""
        if not rooms:
            return []
        found = await self._client.run(_MARKS, [self._key("read", user)], rooms)
        return [None if line is None else _position(line.decode().partition(" ")[2]) for line in found]

    async def show(self, room: RoomName, mark: pb.ReadMark) -> bool:
        """See the port."""
        position, user, limits = mark.position, mark.user, self._limits
        mine: list[Argument] = [user.user_id, position.offset, position.epoch]
        arguments = [*mine, limits.shown, _ms(limits.shown_ttl), user.user_name]
        return bool(await self._client.run(_SHOW, [self._key("readers", room)], arguments))

    async def shown(self, room: RoomName) -> list[pb.ReadMark]:
        """See the port."""
        found = await self._client.run(_SHOWN, [self._key("readers", room)])
        return [_shown(int(user), line.decode()) for user, line in zip(found[::2], found[1::2], strict=True)]

    def _key(self, kind: str, whose: UserId | RoomName) -> str:
        return f"{self._prefix}:{kind}:{whose}"


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _written(position: pb.Position) -> str:
    return f"{position.offset} {position.epoch}"


def _position(written: str) -> pb.Position:
    offset, _, epoch = written.partition(" ")
    return pb.Position(epoch=epoch, offset=int(offset))


def _shown(user: int, line: str) -> pb.ReadMark:
    _, offset, epoch, name = line.split(" ", 3)
    position = pb.Position(epoch=epoch, offset=int(offset))
    return pb.ReadMark(user=pb.Member(user_id=user, user_name=name), position=position)
