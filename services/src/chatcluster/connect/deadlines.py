"""When each connection has to be looked at next: one sweep for all, instead of a timer for each.

Owns the order of deadlines, in steps of `resolution` seconds. Does not own what a deadline means (connection) nor the
clock. Every item has one deadline or none, so this is bounded by the number of items; moving one costs two set
operations. Pure.
"""

from collections import defaultdict
from typing import Generic, Protocol, TypeVar

NOWHERE = -1


class Timed(Protocol):
    """Something with a deadline."""

    slot: int
    """Where it is kept: `NOWHERE` at first. Only `Deadlines` writes it."""


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    """A timer wheel without a rim: slots are made as they are needed."""

    def __init__(self, resolution: float, now: float) -> None:
        self.resolution = resolution
        self._slots: defaultdict[int, set[T]] = defaultdict(set)
        self._next = int(now / resolution)
        """The first slot that was not swept yet."""

    def set(self, item: T, due: float) -> None:
        """Give an item this deadline instead of any that it had; it is swept at most two steps later."""
        self.clear(item)
        item.slot = max(int(due / self.resolution) + 1, self._next)
        self._slots[item.slot].add(item)

    def clear(self, item: T) -> None:
        """Take an item's deadline away. Idempotent."""
        if (slot := self._slots.get(item.slot)) is not None:
            slot.discard(item)
        item.slot = NOWHERE

    def sweep(self, now: float) -> list[T]:
        """The items whose deadline has passed; they have none any more."""
        last = int(now / self.resolution)
        due = [item for number in range(self._next, last + 1) for item in self._slots.pop(number, ())]
        self._next = max(self._next, last + 1)
        for item in due:
            item.slot = NOWHERE
        return due
