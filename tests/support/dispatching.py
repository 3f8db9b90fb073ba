"""A task's dispatch without callers: a shard, two gateways, and answers by hand."""

from dataclasses import dataclass, field

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch, ShardId, StreamId
from chatcluster.log import log
from chatcluster.task.dispatch import Dispatch
from chatcluster.task.lane import Bounds, Flight
from chatcluster.v1 import types_pb2 as pb

ONE, TWO = ShardId(0), ShardId(1)
EPOCH, NEW = ShardEpoch("0000000000001.aaaaaaaa"), ShardEpoch("0000000000002.bbbbbbbb")
A, B = Incarnation("a/1"), Incarnation("b/1")
ROOM, OTHER, TALK = RoomName("room:1"), RoomName("room:2"), ids.conversation(ids.UserId(1), ids.UserId(2))


@dataclass
class Count:
    """What was counted."""

    reasons: list[str] = field(default_factory=list)
    ephemerals: int = 0

    def passed_over(self, reason: str) -> None:
        self.reasons.append(reason)

    def dropped(self, ephemerals: int) -> None:
        self.ephemerals += ephemerals


class Rig:
    """Dispatch of a task that owns shard ONE from 10 on, with gateways A and B, of which both hold ROOM and B OTHER."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.count = Count()
        self.dispatch = Dispatch("demo", self.count, bounds or Bounds())
        self.live = {A, B}
        self.held = {ROOM: frozenset({A, B}), OTHER: frozenset({B}), TALK: frozenset[Incarnation]()}
        self.own(ONE)
        self.dispatch.follow(self.live)
        for incarnation in self.live:
            self.answer(incarnation)

    def own(self, shard: ShardId, cursor: int = 10, epoch: ShardEpoch = EPOCH) -> log.Ownership:
        """Begin a shard."""
        ownership = log.Ownership(shard, "token", epoch, at(cursor), 0)
        self.dispatch.own(ownership)
        return ownership

    def route(self, *entries: log.Entry, shard: ShardId = ONE, epoch: ShardEpoch = EPOCH) -> bool:
        """Route entries by who holds their rooms now."""
        return self.dispatch.route(shard, entries, log.Holders(epoch, self.held), self.live)

    def has_room(self, *entries: log.Entry) -> bool:
        """Whether these entries would fill no lane."""
        return self.dispatch.has_room(entries, log.Holders(EPOCH, self.held))

    def depart(self, incarnation: Incarnation) -> Flight:
        """The next call to a gateway."""
        flight = self.dispatch.depart(incarnation)
        assert flight is not None
        return flight

    def answer(self, incarnation: Incarnation) -> list[ShardId]:
        """Make a gateway's next call and have it answered."""
        return self.dispatch.answered(incarnation, self.depart(incarnation))

    def fail(self, incarnation: Incarnation, flight: Flight, began: float, now: float) -> bool:
        """An attempt at a call got no answer."""
        return self.dispatch.failed(incarnation, flight, began, now)

    def passed(self, shard: ShardId = ONE) -> int | None:
        """Where the cursor may move to."""
        entry = self.dispatch.passed(shard)
        return entry.id.ms if entry else None


def at(number: int) -> StreamId:
    """A dispatch id."""
    return StreamId(number, 0)


def entry(number: int, room: RoomName = ROOM, size: int = 10) -> log.Entry:
    """A publication in dispatch."""
    return log.Entry(at(number), number, 0, publication=pb.Publication(room=room, offset=number), size=size)


def ephemeral(number: int) -> log.Entry:
    """An ephemeral in dispatch."""
    return log.Entry(at(number), number, 0, ephemeral=pb.Ephemeral(room=ROOM), size=10)


def poisoned(number: int) -> log.Entry:
    """An entry that is set aside."""
    return log.Entry(at(number), number, 0, poison="torn")


def said(flight: Flight) -> list[tuple[int, int, list[int], int]]:
    """Shard, prev, offsets and upto of each batch."""
    return [(b.shard, b.prev.ms, [p.offset for p in b.publications], b.upto.ms) for b in flight.request.batches]
