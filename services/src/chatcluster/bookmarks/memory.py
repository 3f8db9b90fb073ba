"""Bookmarks in memory: the same steps as the Redis scripts, for unit tests.

Owns the lists and marks of one process' life. `now` is the clock in seconds; no method ever suspends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chatcluster.bookmarks import bookmarks
from chatcluster.core.ids import RoomName, UserId
from chatcluster.v1 import types_pb2 as pb

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(slots=True)
class _Recent(Generic[_K, _V]):
    """The entries that were set last, until `ttl` after the last one."""

    most: int
    ttl: float
    entries: dict[_K, _V] = field(default_factory=dict)
    ends: float = 0

    def set(self, key: _K, value: _V, now: float) -> None:
        self.entries.pop(key, None)
        self.entries[key] = value
        self.ends = now + self.ttl
        if len(self.entries) > self.most:
            del self.entries[next(iter(self.entries))]

    def all(self, now: float) -> dict[_K, _V]:
        if self.ends <= now:
            self.entries.clear()
        return self.entries


class MemoryBookmarks:
    """The bookmarks port in memory."""

    def __init__(self, *, now: Callable[[], float], limits: bookmarks.Limits | None = None) -> None:
        self._now = now
        self._limits = limits or bookmarks.Limits()
        self._kept: dict[UserId, dict[RoomName, pb.Position]] = {}
        self._marks: dict[UserId, _Recent[RoomName, pb.Position]] = {}
        self._shown: dict[RoomName, _Recent[int, pb.ReadMark]] = {}

    async def keep(self, user: UserId, room: RoomName, position: pb.Position, most: int) -> bool:
        """See the port."""
        kept = self._kept.setdefault(user, {})
        if room not in kept and len(kept) >= most:
            return False
        kept.setdefault(room, position)
        return True

    async def drop(self, user: UserId, room: RoomName) -> None:
        """See the port."""
        self._kept.get(user, {}).pop(room, None)

    async def kept(self, user: UserId) -> list[bookmarks.Kept]:
        """See the port."""
        return [bookmarks.Kept(room, position) for room, position in self._kept.get(user, {}).items()]

    async def mark(self, user: UserId, room: RoomName, position: pb.Position) -> pb.Position:
        """See the port."""
        marks = self._marks.setdefault(user, _Recent(self._limits.marks, self._limits.marks_ttl))
        known = marks.all(self._now()).get(room)
        if known is not None and not bookmarks.is_later(position, known):
            return known
        marks.set(room, position, self._now())
        return position

    async def marks(self, user: UserId, rooms: Sequence[RoomName]) -> list[pb.Position | None]:
        """See the port."""
        marks = self._marks.get(user)
        known = marks.all(self._now()) if marks else {}
        return [known.get(room) for room in rooms]

    async def show(self, room: RoomName, mark: pb.ReadMark) -> bool:
        """See the port."""
        shown = self._shown.setdefault(room, _Recent(self._limits.shown, self._limits.shown_ttl))
        known = shown.all(self._now()).get(mark.user.user_id)
        if known is not None and not bookmarks.is_later(mark.position, known.position):
            return False
        shown.set(mark.user.user_id, mark, self._now())
        return True

    async def shown(self, room: RoomName) -> list[pb.ReadMark]:
        """See the port."""
        shown = self._shown.get(room)
        return list(shown.all(self._now()).values()) if shown else []
