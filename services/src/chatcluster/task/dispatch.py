"""Fan-out of the shards that this task owns: from dispatch entries to lanes, and from answers to cursors.

Owns what has been read but not yet passed, which gateways still have to answer for it, and when a gateway is passed
over. The rule that everything follows from: a shard's cursor moves past an entry when every gateway that held its
room has answered or was passed over, and its copies are made. Does not own calls, Redis or time: `now` is in seconds
of a clock that runs only while this process does, so that a task that was stopped does not blame its gateways. Pure,
so that the simulation drives this very code.

Bounds: `READ_AHEAD` entries or bytes of a shard are read before the cursor has to follow; lanes have their own.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from chatcluster.core.ids import Incarnation, RoomName, ShardId, StreamId
from chatcluster.log import log
from chatcluster.task.lane import Bounds, Flight, Lane

READ_AHEAD = 5_000
READ_AHEAD_BYTES = 8 * 1024 * 1024
PATIENCE = 10.0
"""Seconds without an answer after which a gateway is passed over."""
ATTEMPTS = 2
"""So many calls must have begun and failed by then."""


class Observer(Protocol):
    """What dispatch counts; implemented by the task's metrics."""

    def passed_over(self, reason: str) -> None:
        """A gateway was: `silent`, `refused` or `overflow`."""

    def dropped(self, ephemerals: int) -> None:
        """So many were left out of a lane that was filling up."""


@dataclass(slots=True)
class _Shard:
    ownership: log.Ownership
    position: StreamId
    """Entries up to here have been routed."""
    entries: deque[log.Entry] = field(default_factory=deque)
    """Routed, and not yet passed by the cursor."""
    size: int = 0
    waiting: dict[Incarnation, deque[StreamId]] = field(default_factory=dict)
    """Entries for which a gateway has not answered."""
    copying: deque[log.Entry] = field(default_factory=deque)
    """Private publications that are not in their inboxes yet."""


@dataclass(slots=True)
class _Trouble:
    since: float
    attempts: int = 0
    passed_over: bool = False
    """Nothing waits for it, and it is only told how far dispatch has come, until it answers."""


class Dispatch:
    """The shards that a task owns and the lanes to all living gateways."""

    def __init__(self, cluster: str, observer: Observer, bounds: Bounds) -> None:
        self._bounds = bounds
        self.lanes: dict[Incarnation, Lane] = {}
        self._cluster = cluster
        self._shards: dict[ShardId, _Shard] = {}
        self._trouble: dict[Incarnation, _Trouble] = {}
        self._observer = observer

    # -- shards

    @property
    def shards(self) -> list[ShardId]:
        """The shards that this task acts for."""
        return list(self._shards)

    def own(self, ownership: log.Ownership) -> None:
        """Begin a shard at its cursor."""
        self.disown(ownership.shard)
        self._shards[ownership.shard] = _Shard(ownership, ownership.cursor)
        for lane in self.lanes.values():
            lane.open(ownership.shard, ownership.epoch, ownership.cursor)

    def disown(self, shard: ShardId) -> None:
        """Forget a shard: lost, given up, or about to begin anew. Its next owner reads on from the cursor."""
        self._shards.pop(shard, None)
        for lane in self.lanes.values():
            lane.close(shard)

    def position(self, shard: ShardId) -> StreamId:
        """The entry after which to read on."""
        return self._shards[shard].position

    def is_full(self, shard: ShardId) -> bool:
        """Whether reading has to wait for the cursor."""
        state = self._shards[shard]
        return len(state.entries) >= READ_AHEAD or state.size >= READ_AHEAD_BYTES

    def is_unpassed(self, shard: ShardId) -> bool:
        """Whether something that was routed has not been passed by the cursor."""
        return bool(self._shards[shard].entries)

    def has_room(self, entries: Sequence[log.Entry], holders: log.Holders) -> bool:
        """Whether entries can be routed without filling a lane. A gateway that was passed over, or has answered nothing
        since its lane overflowed, counts for nothing: nobody waits for it.
        """
        return all(
            lane.overflowed
            or self.is_passed_over(lane.incarnation)
            or lane.has_room(entries)
            or lane.has_room([e for e in entries if lane.incarnation in holders.rooms.get(room_of(e), ())])
            for lane in self.lanes.values()
        )

    def route(
        self,
        shard: ShardId,
        entries: Sequence[log.Entry],
        holders: log.Holders,
        live: Collection[Incarnation],
    ) -> bool:
        """Put entries into the lanes of the gateways that hold their rooms.

        `holders` and `live` must have been read after the entries. False, and nothing is routed, when they show another
        epoch than the owner's: what was read may be from before it. Start again from Redis' cursor then.
        """
        state = self._shards[shard]
        if holders.epoch != state.ownership.epoch:
            return False
        self.follow(live)
        for run in _runs(entries):
            if run[0].poison is None:
                self._route(state, run, holders)
            else:
                self._break(state, run[0])
        return True

    def _route(self, state: _Shard, entries: Sequence[log.Entry], holders: log.Holders) -> None:
        mine: dict[Incarnation, list[log.Entry]] = {}
        for entry in entries:
            for incarnation in holders.rooms.get(room_of(entry), ()):
                mine.setdefault(incarnation, []).append(entry)
            if entry.publication is not None and entry.publication.room.startswith("dm:"):
                state.copying.append(entry)
            self._read(state, entry)
        for incarnation, lane in self.lanes.items():
            self._offer(state, lane, mine.get(incarnation, ()), entries[-1].id)

    def _offer(self, state: _Shard, lane: Lane, entries: Sequence[log.Entry], upto: StreamId) -> None:
        shard, dropped = state.ownership.shard, lane.dropped
        if self.is_passed_over(lane.incarnation):
            lane.put(shard, (), upto)
            lane.leave_out(shard)
        elif lane.put(shard, entries, upto):
            awaited = [entry.id for entry in entries if entry.ephemeral is None]
            if awaited:
                state.waiting.setdefault(lane.incarnation, deque()).extend(awaited)
        else:
            self._observer.passed_over("overflow")
            self._forget_waiting(lane)
        if lane.dropped > dropped:
            self._observer.dropped(lane.dropped - dropped)

    def _break(self, state: _Shard, poison: log.Entry) -> None:
        """An entry is set aside: the chain of every gateway breaks there, so that it shows."""
        self._read(state, poison)
        for lane in self.lanes.values():
            lane.put(state.ownership.shard, (), poison.id)
            lane.leave_out(state.ownership.shard)
            self._forget_waiting(lane, state)

    @staticmethod
    def _read(state: _Shard, entry: log.Entry) -> None:
        state.entries.append(entry)
        state.size += entry.size
        state.position = entry.id

    def to_copy(self, shard: ShardId) -> list[log.Entry]:
        """Private publications that are not in their inboxes yet, in order; ask again after `copied`."""
        return list(self._shards[shard].copying)

    def copied(self, ownership: log.Ownership, entry: StreamId) -> None:
        """The copies of private publications up to an entry are made."""
        state = self._shards.get(ownership.shard)
        while state and state.ownership is ownership and state.copying and state.copying[0].id <= entry:
            state.copying.popleft()

    def passed(self, shard: ShardId) -> log.Entry | None:
        """The last entry that the cursor may move to now; None when it has to stay. Tells each only once."""
        state = self._shards.get(shard)
        if state is None:
            return None
        fronts = [waiting[0] for waiting in state.waiting.values() if waiting]
        limit = min(fronts + [entry.id for entry in islice(state.copying, 1)], default=None)
        last = None
        while state.entries and (limit is None or state.entries[0].id < limit):
            last = state.entries.popleft()
            state.size -= last.size
        return last

    # -- gateways

    def follow(self, live: Collection[Incarnation]) -> None:
        """Have a lane for every living gateway, looking through every owned shard, and for no other."""
        for incarnation in [i for i in self.lanes if i not in live]:
            self._forget_waiting(self.lanes.pop(incarnation))
            self._trouble.pop(incarnation, None)
        for incarnation in [i for i in live if i not in self.lanes]:
            self.lanes[incarnation] = Lane(incarnation, self._bounds)
            for shard, state in self._shards.items():
                self.lanes[incarnation].open(shard, state.ownership.epoch, state.position)

    def tick(self) -> None:
        """Every 5 seconds: a batch of every shard, empty or not, to every gateway."""
        for lane in self.lanes.values():
            lane.tick()

    def depart(self, incarnation: Incarnation) -> Flight | None:
        """The next call to a gateway, if there is something to say and none is in flight. Repeat it until it ends by
        `answered`, `refused` or `failed` (which then returns False).
        """
        lane = self.lanes.get(incarnation)
        return lane.depart(self._cluster) if lane else None

    def answered(self, incarnation: Incarnation, flight: Flight) -> list[ShardId]:
        """The gateway has taken everything in it; the shards whose cursor may move."""
        lane = self.lanes.get(incarnation)
        if lane is None or lane.flight is not flight:
            return []
        self._trouble.pop(incarnation, None)
        settled = lane.land(flight)
        for shard, upto in settled.items():
            waiting = self._shards[shard].waiting.get(incarnation, deque())
            while waiting and waiting[0] <= upto:
                waiting.popleft()
        return list(settled)

    def is_passed_over(self, incarnation: Incarnation) -> bool:
        """Whether nothing waits for this gateway, until it answers."""
        trouble = self._trouble.get(incarnation)
        return trouble is not None and trouble.passed_over

    def failed(self, incarnation: Incarnation, flight: Flight, began: float, now: float) -> bool:
        """An attempt got no answer. True: repeat the very same call. False: the gateway is passed over for now."""
        lane = self.lanes.get(incarnation)
        if lane is None or lane.flight is not flight:
            return False
        trouble = self._trouble.setdefault(incarnation, _Trouble(began))
        trouble.attempts += 1
        if not trouble.passed_over and (trouble.attempts < ATTEMPTS or now - trouble.since < PATIENCE):
            return True
        self._pass_over(lane, flight, trouble, "silent")
        return False

    def refused(self, incarnation: Incarnation, flight: Flight, now: float) -> None:
        """Another incarnation answers at this address."""
        lane = self.lanes.get(incarnation)
        if lane and lane.flight is flight:
            self._pass_over(lane, flight, self._trouble.setdefault(incarnation, _Trouble(now)), "refused")

    def _pass_over(self, lane: Lane, flight: Flight, trouble: _Trouble, reason: str) -> None:
        if not trouble.passed_over:
            self._observer.passed_over(reason)
        trouble.passed_over = True
        lane.land(flight)
        lane.leave_out()
        self._forget_waiting(lane)

    def _forget_waiting(self, lane: Lane, only: _Shard | None = None) -> None:
        for state in [only] if only else self._shards.values():
            state.waiting.pop(lane.incarnation, None)


def room_of(entry: log.Entry) -> RoomName:
    """The room that an entry is for; empty for poison."""
    item = entry.publication or entry.ephemeral or entry.control
    return RoomName(item.room if item else "")


def _runs(entries: Iterable[log.Entry]) -> list[list[log.Entry]]:
    """The entries in order: stretches of good ones, and each poisoned one alone."""
    runs: list[list[log.Entry]] = []
    for entry in entries:
        if runs and entry.poison is None and runs[-1][-1].poison is None:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs
