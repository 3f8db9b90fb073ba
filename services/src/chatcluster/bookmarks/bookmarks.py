"""The bookmarks port: which open rooms a user keeps, how far a user has read each room, and what others see of that.

Knows no rooms: that a position is one of the room, and in its epoch, is seen to before (logic). So marks can be
compared as they stand: a later epoch is later, and within an epoch the greater offset.

A mark stands in two places. The user's own decides; the room's, by which others see it, is bounded far more tightly and
follows. Each method is one atomic step in one of them, so that a crash between two leaves the room's behind until the
user marks again.

Errors of every method: `errors.Unavailable`, or `errors.OutcomeUnknown` for a write that may have happened. All are
idempotent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chatcluster.core.ids import RoomName, UserId
from chatcluster.v1 import types_pb2 as pb


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds on marks."""

    marks: int = 1_000
    """Rooms whose marks are kept for a user; those that were set longest ago are forgotten."""
    marks_ttl: float = 90 * 86_400
    """Seconds after the last one at which a user's marks are forgotten."""
    shown: int = 200
    """Users whose marks a room shows; those that were set longest ago are forgotten."""
    shown_ttl: float = 8 * 86_400
    """Seconds after the last one at which a room's marks are forgotten: a day more than history lasts by default."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A room that a user keeps."""

    room: RoomName
    position: pb.Position
    """Where it stood then."""


class Bookmarks(Protocol):
    """Rooms kept, and marks."""

    async def keep(self, user: UserId, room: RoomName, position: pb.Position, most: int) -> bool:
        """Put a room on the user's list, which does not expire; False when `most` others are on it already.

        A room that is on it already stays as it is, at whatever length of the list.
        """
        ...

    async def drop(self, user: UserId, room: RoomName) -> None:
        """Take a room off the list. Its mark stays."""
        ...

    async def kept(self, user: UserId) -> list[Kept]:
        """The user's list, in the order in which the rooms were put on it."""
        ...

    async def mark(self, user: UserId, room: RoomName, position: pb.Position) -> pb.Position:
        """Set how far the user has read a room unless it is further already; what stands now."""
        ...

    async def marks(self, user: UserId, rooms: Sequence[RoomName]) -> list[pb.Position | None]:
        """How far the user has read each of these rooms; None where nothing was marked, or it is forgotten."""
        ...

    async def show(self, room: RoomName, mark: pb.ReadMark) -> bool:
        """Set a user's mark in a room for others to see; False when it is no further than what they see."""
        ...

    async def shown(self, room: RoomName) -> list[pb.ReadMark]:
        """What others see, in no particular order."""
        ...


def is_later(one: pb.Position, other: pb.Position) -> bool:
    """Whether a position is beyond another one of the same room."""
    return (one.epoch, one.offset) > (other.epoch, other.offset)
