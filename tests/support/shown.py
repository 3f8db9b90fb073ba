"""What an application has of a room that it follows as docs/client.md says: the judge of what a client shows.

Owns what each item does to what is shown, and what no client may do: leave a hole that nobody tells of, show a place
twice, or go against the room's order. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatcluster.client.items import Gap, Item, Message, NotRecovered, Position


@dataclass
class Shown:
    """One room, as one application follows it."""

    seen: set[Position] = field(default_factory=set)
    """All places that were ever shown."""
    told: dict[int, str] = field(default_factory=dict)
    """The ids that are shown now, by their offsets."""
    last: Position | None = None
    start: int | None = None
    """What is after it has to be shown."""
    log: list[Item] = field(default_factory=list)

    def add(self, item: Item, joined_at: Position) -> None:
        """Show an item of a room that was joined there; raises AssertionError when it does not follow."""
        self.log.append(item)
        last = self.last or joined_at
        self.start = joined_at.offset if self.start is None else self.start
        match item:
            case Message(position=position):
                assert position.offset == last.offset + 1, f"a hole, or out of order: {item} after {last}"
                assert position.epoch >= last.epoch, f"out of order: {item} after {last}"
                assert position not in self.seen, f"shown twice: {item}"
                self.seen.add(position)
                self.told[position.offset] = item.id
                self.last = position
            case Gap(first=first, last=offset):
                assert first == last.offset + 1 <= offset, f"{item} after {last}"
                self.last = Position(last.epoch, offset)
            case NotRecovered(position=position):
                self.told = {offset: each for offset, each in self.told.items() if offset <= position.offset}
                self.start = min(self.start, position.offset)
                self.last = position

    def check(self, history: Mapping[int, str], first: int, joined_at: Position) -> None:
        """Compare with all that history holds, by offset; `first` is the lowest offset that it holds, or would hold
        next. Raises AssertionError unless all of it is shown since the join, and nothing else: what was told to be gone
        has to be gone.
        """
        start = joined_at.offset if self.start is None else self.start
        due = {offset: each for offset, each in history.items() if offset > start}
        shown = {offset: each for offset, each in self.told.items() if offset >= first}
        assert shown == due
