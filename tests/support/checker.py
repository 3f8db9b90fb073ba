"""What has to hold after any fault, checked on what senders were told and what members saw.

I1 everything acknowledged is in history, and reached every member that stayed connected; a member whose gateway died
finds the rest by reading on from where it stood. I2 each connection saw its room's order, without a hole and without a
repetition. I3 nobody saw what nobody sent. I4 one id has one place, the one that its sender was told; when a room has
had more epochs than it keeps, what is older goes by the oldest of them, at the same offset.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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


def violations(record: Record) -> list[str]:
    """What does not hold, in words; empty when all does."""
    found: list[str] = []
    order = {room: [each for _, each in entries] for room, entries in record.history.items()}
    found += _history(record, order)
    known = {sent.id for sent in record.sent}
    for segment in record.segments:
        found += _segment(segment, order.get(segment.room, []), known)
    for reading in record.readings:
        found += _reading(reading, record.history.get(reading.room, []))
    return found


def _history(record: Record, order: Mapping[str, Sequence[str]]) -> Iterable[str]:
    known = {sent.id for sent in record.sent}
    for room, ids in order.items():
        if len(ids) != len(set(ids)):
            yield f"I4 {room}: stored twice: {_doubles(ids)[:3]}"
        if strangers := set(ids) - known:
            yield f"I3 {room}: nobody sent {sorted(strangers)[:3]}"
    places = {each: position for entries in record.history.values() for position, each in entries}
    oldest = {room: entries[0][0][0] for room, entries in record.history.items() if entries}
    for sent in record.sent:
        if sent.result == "ok" and sent.id not in places:
            yield f"I1 {sent.room}: acknowledged and not in history: {sent.id} at {sent.position}"
        elif sent.result == "ok" and sent.position and not _is_at(sent.position, places[sent.id], oldest[sent.room]):
            yield f"I4 {sent.room}: {sent.id} was acknowledged at {sent.position} and is at {places[sent.id]}"
        elif sent.result == "refused" and sent.id in places:
            yield f"I1 {sent.room}: refused and stored all the same: {sent.id}"


def _is_at(told: Position, found: Position, oldest: str) -> bool:
    is_forgotten = told[0] < found[0] == oldest
    return told[1] == found[1] and (told[0] == found[0] or is_forgotten)


def _segment(segment: Segment, order: Sequence[str], known: set[str]) -> Iterable[str]:
    who = f"{segment.member} in {segment.room}"
    if strangers := set(segment.ids) - known:
        yield f"I3 {who}: nobody sent {sorted(strangers)[:3]}"
        return
    if not segment.ids:
        if segment.whole and order:
            yield f"I1 {who}: stayed connected and saw nothing of {len(order)}"
        return
    if segment.ids[0] not in order:
        yield f"I1 {who}: saw {segment.ids[0]}, which is not in history"
        return
    begin = order.index(segment.ids[0])
    want = list(order[begin:]) if segment.whole else list(order[begin : begin + len(segment.ids)])
    if segment.ids != want:
        place = next((i for i, (a, b) in enumerate(zip(segment.ids, want, strict=False)) if a != b), len(want))
        yield (
            f"I2 {who}: saw {len(segment.ids)} of {len(want)}; at {place}: "
            f"saw {segment.ids[place : place + 3]}, history has {want[place : place + 3]}"
        )


def _reading(reading: Reading, entries: Sequence[tuple[Position, str]]) -> Iterable[str]:
    who = f"{reading.member} reading {reading.room} after {reading.after}"
    if not reading.recovered:
        yield f"I1 {who}: was told that something is gone"
        return
    want = [each for (_, offset), each in entries if offset > reading.after[1]][: len(reading.ids)]
    if reading.ids != want:
        yield f"I1 {who}: read {reading.ids[:3]}..., history has {want[:3]}..."


def _doubles(ids: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return [each for each in ids if each in seen or seen.add(each)]  # type: ignore[func-returns-value]


def acknowledged(sent: Sequence[Sent]) -> float:
    """The part of all messages that were acknowledged."""
    return sum(each.result == "ok" for each in sent) / len(sent) if sent else 1.0


def without(record: Record, lost: frozenset[str], torn: frozenset[str]) -> Record:
    """The record as if these ids had never been: Redis lost them with its tail, and told so.

    What is left has to hold. A reader who was told to reload is no violation any more. A copy that was lost from an
    inbox alone is made again, in the new epoch: gochat's clients, who cannot be told of epochs, are shown it twice.
    That can be so of `torn`, what was sent right before a cut, and of nothing else.
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
