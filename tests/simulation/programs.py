"""A gateway and a task of a simulated cluster: the product's own hub and dispatch, and around them what a process does.

Each method is one step that a scheduler may choose. What listeners are shown is recorded, for the check at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chatcluster.connect import hub as hubs, registrations, room as rooms
from chatcluster.core.ids import Incarnation, RoomName, ShardId
from chatcluster.log import log
from chatcluster.task import dispatch, lane
from chatcluster.v1 import connect_pb2, logic_pb2, types_pb2 as pb
from simulation.surroundings import INBOX, PRIVATE, SHARDS, Surroundings, run


@dataclass
class Served:
    """What a gateway showed the listeners of one room since its join, or since they were told to reload."""

    after: int
    mark: str
    """The newest message of the room's history at that moment: if it is no more, the listeners were misled."""
    items: list[tuple[int, str]] = field(default_factory=list)


class Recorder:
    """A codec that keeps what it is asked to show."""

    protocol = "recorder"

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.served: dict[str, Served] = {}

    def encode(self, item: rooms.Item) -> bytes:
        if isinstance(item, rooms.Reset):
            self.served[item.room] = Served(item.position.offset, self.world.mark(item.room, item.position.offset))
        elif isinstance(item, rooms.Gap):
            self.world.bad.append(f"{item.room}: told that {item.first}..{item.last} are gone, and nothing ever went")
        elif isinstance(item, pb.Publication):
            self.served[item.room].items.append((item.offset, item.body.decode()))
        return b""


@dataclass(eq=False)
class Ear:
    """A connection."""

    codec: Recorder

    def write(self, data: bytes) -> None:
        """Nothing: the codec has seen it."""


class Silent:
    """An observer that counts nothing."""

    def served(self, protocol: str, items: Any, listeners: int) -> None: ...
    def missed(self, outcome: str) -> None: ...
    def failed(self, item: rooms.Item, error: Exception) -> None:
        raise error

    def passed_over(self, reason: str) -> None: ...
    def dropped(self, ephemerals: int) -> None: ...


class Gateway:
    """One life of a gateway process."""

    def __init__(self, world: Surroundings, name: str) -> None:
        self.world, self.name = world, name
        self.recorder = Recorder(world)
        self.ear = Ear(self.recorder)
        self.hub = hubs.Hub(
            shards=SHARDS,
            incarnation=self.incarnation(),
            random=world.random,
            observer=Silent(),
        )
        self.alive = True
        world.server.leases.add(self.hub.incarnation)

    def incarnation(self) -> Incarnation:
        """A name that nobody had before."""
        return Incarnation(f"{self.name}/{self.world.draw(6)}")

    def renew(self) -> None:
        """Renew the lease, or come back under another name."""
        if self.hub.incarnation not in self.world.server.leases:
            self.hub.reincarnate(self.incarnation(), self.world.now)
            self.world.server.leases.add(self.hub.incarnation)
            self.world.note(f"{self.name} lost its lease, is now {self.hub.incarnation}")

    def enter(self, name: RoomName) -> None:
        """A connection joins; the room begins to be recorded when its join is answered."""
        self.hub.enter(name, self.ear, self.world.now)

    def leave(self, name: RoomName) -> None:
        """The only connection leaves."""
        self.hub.exit(name, self.ear)
        self.recorder.served.pop(name, None)
        self.world.note(f"{self.name} leaves {name}")

    def work(self) -> None:
        """Make the calls that the hub wants."""
        for call in self.hub.work(self.world.now):
            if isinstance(call, registrations.Registration):
                self.world.rpc(partial(self._register, call), partial(self._registered, call), self._fail(call))
            else:
                self.world.rpc(partial(self._unregister, call), self._unregistered, self._fail(call))

    def _unregister(self, call: registrations.Unregistration) -> None:
        run(self.world.client().unregister(call.incarnation, call.number, call.rooms))

    def _unregistered(self, _: None) -> None:
        self.hub.unregistered()

    def _fail(self, call: registrations.Registration | registrations.Unregistration) -> Callable[[], None]:
        return lambda: self.hub.failed(call, self.world.now)

    def _register(self, call: registrations.Registration) -> list[tuple[log.Registered, str]]:
        answers = run(self.world.client().register(call.incarnation, call.number, [_read(read) for read in call.reads]))
        return [(answer, self.world.mark(answer.history.room, answer.history.position.offset)) for answer in answers]

    def _registered(self, call: registrations.Registration, answers: list[tuple[log.Registered, str]]) -> None:
        for read, (answer, mark) in zip(call.reads, answers, strict=True):
            room = self.hub.rooms.get(RoomName(read.room))
            if room and room.asking == call.number and not room.joined:
                self.recorder.served[read.room] = Served(answer.history.position.offset, mark)
        self.hub.registered(call, [_proto(answer) for answer, _ in answers], self.world.now)
        self.world.note(f"{self.name} registered {[(a.history.room, a.history.position.offset) for a, _ in answers]}")

    def deliver(self, request: connect_pb2.DeliverRequest) -> bool:
        """Task's call; False: another incarnation lives here."""
        if request.incarnation != self.hub.incarnation:
            return False
        for batch in request.batches:
            self.hub.deliver(batch, self.world.now)
        return True


class Task:
    """One life of a task process."""

    def __init__(self, world: Surroundings, name: str, find: Callable[[Incarnation], Gateway | None]) -> None:
        """`find`: who lives under the name of that incarnation."""
        self.world, self.name, self.alive = world, name, True
        self._find = find
        self.dispatch = dispatch.Dispatch("demo", Silent(), world.faults.bounds)
        self.owned: dict[ShardId, log.Ownership] = {}
        self.read: dict[ShardId, list[log.Entry]] = {}

    def acquire(self, shard: ShardId) -> None:
        """Take a free shard."""
        ownership = run(self.world.client().acquire(shard, self.name))
        if ownership:
            self.owned[shard] = ownership
            self.dispatch.own(ownership)
            self.world.note(f"{self.name} owns shard {shard} at {ownership.cursor}")

    def renew(self, shard: ShardId) -> None:
        """Keep a shard, or notice that it is lost."""
        if not run(self.world.client().renew(self.owned[shard])):
            self.drop(shard)

    def drop(self, shard: ShardId) -> None:
        """Stop acting for a shard."""
        self.world.note(f"{self.name} drops shard {shard}")
        del self.owned[shard]
        self.read.pop(shard, None)
        self.dispatch.disown(shard)

    def take(self, shard: ShardId) -> None:
        """Read a batch, or route the one that was read."""
        if shard not in self.read:
            entries = run(self.world.client().entries(shard, self.dispatch.position(shard), 3, 0))
            if entries:
                self.read[shard] = [self._poisoned(entry) for entry in entries]
            return
        entries = self.read.pop(shard)
        holders = run(self.world.client().holders(shard, [dispatch.room_of(entry) for entry in entries]))
        live = dict.fromkeys(sorted(self.world.server.leases), "")
        if not self.dispatch.route(shard, entries, holders, live):
            self.world.note(f"{self.name} sees another epoch of shard {shard}")
            run(self.world.client().release(self.owned[shard]))
            self.drop(shard)

    def _poisoned(self, entry: log.Entry) -> log.Entry:
        private = entry.publication is not None and entry.publication.room == PRIVATE
        if self.world.faults.poison and not private and self.world.chance(self.world.faults.poison):
            self.world.note(f"entry {entry.id} is set aside")
            return replace(entry, poison="by chance", publication=None)
        return entry

    def copy(self, shard: ShardId) -> None:
        """Make the copies of the private publications that wait for it."""
        ownership, waiting = self.owned[shard], self.dispatch.to_copy(shard)
        if waiting and not run(self.world.client().renew(ownership)):
            self.drop(shard)
        elif waiting:
            copies = [log.Copy(INBOX, e.id, e.publication) for e in waiting if e.publication]
            run(self.world.client().copy(shard, copies))
            self.dispatch.copied(ownership, waiting[-1].id)

    def call(self, incarnation: Incarnation) -> None:
        """Start the next call to a gateway, or repeat the one in flight."""
        started = self.dispatch.lanes[incarnation].flight
        flight = started or self.dispatch.depart(incarnation)
        if flight:
            began = self.world.now
            self.world.send(lambda: self._arrive(incarnation, flight, began))

    def _arrive(self, incarnation: Incarnation, flight: lane.Flight, began: float) -> None:
        world = self.world
        gateway = self._find(incarnation)
        if gateway is None or world.chance(0.1):
            self._answer(lambda: self.dispatch.failed(incarnation, flight, began, world.now))
        elif gateway.deliver(flight.request):
            world.note(f"{self.name} -> {incarnation}: {_short(flight.request)}")
            self._answer(lambda: self.dispatch.answered(incarnation, flight))
        else:
            self._answer(lambda: self.dispatch.refused(incarnation, flight, world.now))

    def _answer(self, then: Callable[[], Any]) -> None:
        self.world.send(lambda: then() if self.alive else None)

    def give_up(self, incarnation: Incarnation) -> None:
        """A gateway has not answered for long."""
        flight = self.dispatch.lanes[incarnation].flight
        if flight:
            self.world.note(f"{self.name} passes over {incarnation}")
            for _ in range(dispatch.ATTEMPTS):
                self.dispatch.failed(incarnation, flight, self.world.now - dispatch.PATIENCE - 1, self.world.now)

    def advance(self, shard: ShardId) -> None:
        """Move the cursor as far as it may."""
        entry = self.dispatch.passed(shard)
        if entry and not run(self.world.client().advance(self.owned[shard], entry)):
            self.drop(shard)


def _read(read: logic_pb2.RoomRead) -> log.Read:
    return log.Read(RoomName(read.room), read.since if read.HasField("since") else None, read.limit)


def _proto(answer: log.Registered) -> logic_pb2.Registration:
    return logic_pb2.Registration(
        accepted=answer.accepted,
        shard_epoch=answer.shard_epoch,
        stream_id=pb.StreamId(ms=answer.stream_id.ms, seq=answer.stream_id.seq),
        history=answer.history,
    )


def _short(request: connect_pb2.DeliverRequest) -> str:
    return "; ".join(
        f"shard {b.shard} ({b.prev.ms % 100000}.{b.prev.seq}, {b.upto.ms % 100000}.{b.upto.seq}]"
        f" {[(p.room, p.offset) for p in b.publications]}"
        for b in request.batches
    )
