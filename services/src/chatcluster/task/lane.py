"""The lane to one gateway: what it still has to be told, and the one `Deliver` that is on its way.

Owns the claim that every batch makes: "everything after prev up to upto that concerns you is in here". While a call
is in flight the next one grows, so batching adapts to the gateway's speed and adds no wait. Does not own calls,
clocks or the decision to give up on a gateway (dispatch). Pure.

Bounds: `Bounds.items` items or `Bounds.bytes` bytes wait at most. At the bound the lane is emptied, and the next
batch's prev is the last id that was left out: the break shows, and the gateway reads history. Ephemerals are dropped
from half of that on, so that they never are what fills a lane.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatcluster.core.ids import Incarnation, ShardEpoch, ShardId, StreamId
from chatcluster.log.log import Entry
from chatcluster.v1 import connect_pb2

CALL_BYTES = 512 * 1024
"""Of a call; more only if a single item is larger."""
ITEM_OVERHEAD = 160
"""What an item weighs besides its body, at most: names, ids, framing."""
BATCH_OVERHEAD = 96
"""What a batch weighs besides its items, at most."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait for one gateway."""

    items: int = 2_000
    bytes: int = 2 * 1024 * 1024


@dataclass(slots=True)
class Segment:
    """One shard's part of a lane."""

    epoch: ShardEpoch
    prev: StreamId
    """What came up to here was sent, or was shown to be left out."""
    upto: StreamId
    """How far the shard was looked through for this gateway."""
    items: deque[Entry] = field(default_factory=deque)
    due: bool = True
    """A batch is wanted even without an item; so at the beginning, by which a gateway hears of a shard's new owner."""

    @property
    def next_bytes(self) -> int:
        """What the next batch weighs at least."""
        return BATCH_OVERHEAD + (_weight(self.items[0]) if self.items else 0)

    def leave_out(self) -> None:
        """Drop what waits, and let the next batch show it."""
        self.items.clear()
        self.prev = self.upto
        self.due = True


@dataclass(frozen=True, slots=True)
class Flight:
    """A call on its way."""

    request: connect_pb2.DeliverRequest
    settles: dict[ShardId, tuple[Segment, StreamId]]
    """How far each shard is settled once it is answered, if it is still the same segment then."""


class Lane:
    """What one gateway incarnation still has to be told by this task."""

    __slots__ = ("_bounds", "bytes", "dropped", "flight", "incarnation", "items", "overflowed", "segments")

    def __init__(self, incarnation: Incarnation, bounds: Bounds) -> None:
        self._bounds = bounds
        self.incarnation = incarnation
        self.segments: dict[ShardId, Segment] = {}
        self.flight: Flight | None = None
        self.items = 0
        self.bytes = 0
        self.dropped = 0
        """Ephemerals that were not taken in, ever."""
        self.overflowed = False
        """It did, since the last call ended."""

    def open(self, shard: ShardId, epoch: ShardEpoch, position: StreamId) -> None:
        """Begin to look through a shard for this gateway, from a position on; does nothing if that was begun."""
        segment = self.segments.get(shard)
        if segment is None or segment.epoch != epoch:
            self.close(shard)
            self.segments[shard] = Segment(epoch, position, position)

    def close(self, shard: ShardId) -> None:
        """Forget a shard: another task owns it, or it begins anew."""
        segment = self.segments.pop(shard, None)
        if segment:
            self._drop(segment.items)

    def put(self, shard: ShardId, entries: Iterable[Entry], upto: StreamId) -> bool:
        """Look a shard through up to an id and add what concerns the gateway; False when the lane overflowed."""
        segment = self.segments[shard]
        for entry in entries:
            if entry.ephemeral is not None and self._fill() > 0.5:
                self.dropped += 1
            else:
                segment.items.append(entry)
                self.items += 1
                self.bytes += _weight(entry)
        segment.upto = max(segment.upto, upto)
        if self._fill() <= 1:
            return True
        self.leave_out()
        self.overflowed = True
        return False

    def has_room(self, entries: Sequence[Entry]) -> bool:
        """Whether `put` would surely not overflow, or nothing waits: then there is nothing to wait for either."""
        items, size = self.items + len(entries), self.bytes + sum(_weight(entry) for entry in entries)
        return not self.items or (items <= self._bounds.items and size <= self._bounds.bytes)

    def leave_out(self, shard: ShardId | None = None) -> None:
        """Drop what waits, of one shard or of all; the next batches show it."""
        for each, segment in self.segments.items():
            if shard in (None, each):
                self._drop(segment.items)
                segment.leave_out()

    def tick(self) -> None:
        """Want a batch of every shard, empty or not: the sign of life by which a gateway trusts dispatch."""
        for segment in self.segments.values():
            segment.due = True

    def depart(self, cluster: str) -> Flight | None:
        """The next call, at most `CALL_BYTES`; None when one is in flight or there is nothing to say."""
        if self.flight or not any(segment.items or segment.due for segment in self.segments.values()):
            return None
        request = connect_pb2.DeliverRequest(cluster=cluster, incarnation=self.incarnation)
        space = CALL_BYTES - request.ByteSize()
        settles: dict[ShardId, tuple[Segment, StreamId]] = {}
        for shard, segment in self.segments.items():
            if (segment.items or segment.due) and (segment.next_bytes <= space or not settles):
                space -= self._load(request.batches.add(shard=shard), segment, space)
                settles[shard] = (segment, segment.prev)
        for shard in settles:  # so that the next call begins with the others
            self.segments[shard] = self.segments.pop(shard)
        self.flight = Flight(request, settles)
        return self.flight

    def land(self, flight: Flight) -> dict[ShardId, StreamId]:
        """End the call, answered or given up; how far it had come in the shards that this lane still follows."""
        if self.flight is not flight:
            return {}
        self.flight = None
        self.overflowed = False
        return {s: upto for s, (segment, upto) in flight.settles.items() if self.segments.get(s) is segment}

    def _fill(self) -> float:
        return max(self.items / self._bounds.items, self.bytes / self._bounds.bytes)

    def _load(self, batch: connect_pb2.Batch, segment: Segment, space: int) -> int:
        size = BATCH_OVERHEAD
        batch.epoch = segment.epoch
        batch.prev.ms, batch.prev.seq = segment.prev
        while segment.items and (size == BATCH_OVERHEAD or size + _weight(segment.items[0]) <= space):
            entry = segment.items.popleft()
            self.items -= 1
            self.bytes -= _weight(entry)
            size += _weight(entry)
            segment.prev = entry.id
            _add(batch, entry)
        if not segment.items:
            segment.prev, segment.due = segment.upto, False
        batch.upto.ms, batch.upto.seq = segment.prev
        return size

    def _drop(self, items: deque[Entry]) -> None:
        self.items -= len(items)
        self.bytes -= sum(_weight(entry) for entry in items)


def _weight(entry: Entry) -> int:
    return entry.size + ITEM_OVERHEAD


def _add(batch: connect_pb2.Batch, entry: Entry) -> None:
    if entry.publication is not None:
        batch.publications.append(entry.publication)
    elif entry.ephemeral is not None:
        batch.ephemerals.append(entry.ephemeral)
    elif entry.control is not None:
        batch.controls.append(entry.control)
