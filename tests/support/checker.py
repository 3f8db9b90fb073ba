"""What has to hold after any fault, checked on what senders were told and what members saw.

I1 everything acknowledged is in history, and reached every member that stayed connected; a member whose gateway died
finds the rest by reading on from where it stood. I2 each connection saw its room's order, without a hole and without a
repetition. I3 nobody saw what nobody sent. I4 one id has one place, the one that its sender was told; when a room has
had more epochs than it keeps, what is older goes by the oldest of them, at the same offset, and a reader who stood in
one that is forgotten may be told to reload.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Position = tuple[str, int]


@dataclass(slots=True)
class Sent:
    """One message, as its sender knows it."""

    id: str
    room: str
    result: str = "unknown"
    """`ok`, `refused` (surely not stored) or `unknown`."""
    position: Position | None = None
    at: float = 0.0
    """When it was sent, by the loop's clock."""
    seconds: float = 0.0
    """From the first attempt to the last answer."""
    attempts: list[tuple[float, float, str]] = field(default_factory=list)
    """Those that did not end well: when each began and ended, by the loop's clock, and why."""


@dataclass(slots=True)
class Segment:
    """What one connection saw of one room, in order."""

    room: str
    member: str
    ids: list[str] = field(default_factory=list)
    whole: bool = False
    """It lasted to the end, so it has to have everything after its first."""


@dataclass(slots=True)
class Reading:
    """What a member read of a room after its connection was lost, from the position that it had before."""

    room: str
    member: str
    after: Position
    upto: int
    """The offset to which it has to reach: what was acknowledged before, and what it was told to be the end."""
    ids: list[str]
    recovered: bool
    """What it was told; False is a violation unless Redis lost something."""


@dataclass(frozen=True, slots=True)
class Record:
    """A whole run."""

    sent: Sequence[Sent]
    segments: Sequence[Segment]
    readings: Sequence[Reading]
    history: Mapping[str, Sequence[tuple[Position, str]]]
    """Every room, from the beginning: what is at each position."""


class Violation(NamedTuple):
    """Something that does not hold."""

    invariant: str
    where: str
    what: str
    ids: Sequence[str] = ()
    """The messages that it is about, the first ones at least."""

    def __str__(self) -> str:
        return f"{self.invariant} {self.where}: {self.what}"


def violations(record: Record) -> list[Violation]:
    """What does not hold; empty when all does."""
    found: list[Violation] = []
    order = {room: [each for _, each in entries] for room, entries in record.history.items()}
    found += _history(record, order)
    known = {sent.id for sent in record.sent}
    for segment in record.segments:
        found += _segment(segment, order.get(segment.room, []), known)
    for reading in record.readings:
        found += _reading(reading, record.history.get(reading.room, []))
    return found


def _history(record: Record, order: Mapping[str, Sequence[str]]) -> Iterable[Violation]:
    known = {sent.id for sent in record.sent}
    for room, ids in order.items():
        if doubles := _doubles(ids):
            yield Violation("I4", room, f"stored twice: {doubles[:3]}", doubles)
        if strangers := sorted(set(ids) - known):
            yield Violation("I3", room, f"nobody sent {strangers[:3]}", strangers)
    places = {each: position for entries in record.history.values() for position, each in entries}
    for sent in record.sent:
        if found := _misplaced(sent, places.get(sent.id), _oldest(record.history.get(sent.room, []))):
            yield Violation(*found, ids=[sent.id])


def _misplaced(sent: Sent, place: Position | None, oldest: str) -> tuple[str, str, str] | None:
    if sent.result == "ok" and place is None:
        return "I1", sent.room, f"acknowledged and not in history: {sent.id} at {sent.position}"
    if sent.result == "ok" and place and sent.position and not _is_at(sent.position, place, oldest):
        return "I4", sent.room, f"{sent.id} was acknowledged at {sent.position} and is at {place}"
    if sent.result == "refused" and place:
        return "I1", sent.room, f"refused and stored all the same: {sent.id}"
    return None


def _oldest(entries: Sequence[tuple[Position, str]]) -> str:
    """The first epoch that a room still knows."""
    return entries[0][0][0] if entries else ""


def _is_at(told: Position, found: Position, oldest: str) -> bool:
    is_forgotten = told[0] < found[0] == oldest
    return told[1] == found[1] and (told[0] == found[0] or is_forgotten)


def _segment(segment: Segment, order: Sequence[str], known: set[str]) -> Iterable[Violation]:
    where, ids = f"{segment.member} in {segment.room}", segment.ids
    if strangers := sorted(set(ids) - known):
        yield Violation("I3", where, f"nobody sent {strangers[:3]}", strangers)
    elif doubles := _doubles(ids):
        yield Violation("I2", where, f"shown twice on one connection: {doubles[:3]}", doubles)
    elif not ids and segment.whole and order:
        yield Violation("I1", where, f"stayed connected and saw nothing of {len(order)}")
    elif ids and ids[0] not in order:
        yield Violation("I1", where, f"saw {ids[0]}, which is not in history", ids[:1])
    elif ids:
        begin = order.index(ids[0])
        want = order[begin:] if segment.whole else order[begin : begin + len(ids)]
        yield from _compared("I2", where, ids, want)


def _reading(reading: Reading, entries: Sequence[tuple[Position, str]]) -> Iterable[Violation]:
    where = f"{reading.member} reading {reading.room} after {reading.after}"
    (epoch, after), oldest = reading.after, _oldest(entries)
    if not reading.recovered:
        if not epoch or epoch >= oldest:
            yield Violation("I1", where, "was told that something is gone")
        return
    want = [each for (_, offset), each in entries if after < offset <= reading.upto]
    yield from _compared("I1", where, reading.ids, want)


def _compared(invariant: str, where: str, ids: Sequence[str], want: Sequence[str]) -> Iterable[Violation]:
    if list(ids) == list(want):
        return
    place = next((i for i, (a, b) in enumerate(zip(ids, want, strict=False)) if a != b), min(len(ids), len(want)))
    found, due = ids[place : place + 3], want[place : place + 3]
    what = f"saw {len(ids)} of {len(want)}; at {place}: saw {found}, history has {due}"
    yield Violation(invariant, where, what, [*found, *due])


def _doubles(ids: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return [each for each in ids if each in seen or seen.add(each)]  # type: ignore[func-returns-value]


def acknowledged(sent: Sequence[Sent]) -> float:
    """The part of all messages that were acknowledged."""
    return sum(each.result == "ok" for each in sent) / len(sent) if sent else 1.0


def missing(record: Record) -> set[str]:
    """What was acknowledged and is not in history: lost, if nothing excuses it."""
    stored = {each for entries in record.history.values() for _, each in entries}
    return {sent.id for sent in record.sent if sent.result == "ok"} - stored


def without(record: Record, lost: frozenset[str], torn: frozenset[str]) -> Record:
    """The record as if these ids had never been: Redis lost them with its tail, and told so.

    What is left has to hold. A reader who was told to reload is no violation any more. A copy that was lost from an
    inbox alone is made again, in the new epoch: gochat's clients, who cannot be told of epochs, are shown it twice.
    That can be so of `torn`, what was sent before a cut and shown around it, and of nothing else.
    """
    return Record(
        sent=[each for each in record.sent if each.id not in lost],
        segments=[
            Segment(s.room, s.member, _shown_last([each for each in s.ids if each not in lost], torn), s.whole)
            for s in record.segments
        ],
        readings=[reading for reading in record.readings if reading.recovered],
        history=record.history,
    )


def _shown_last(ids: list[str], torn: frozenset[str]) -> list[str]:
    last = {each: place for place, each in enumerate(ids)}
    return [each for place, each in enumerate(ids) if each not in torn or last[each] == place]
