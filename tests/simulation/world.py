"""One random history of a cluster: chaos, then quiescence, then the check.

The hub, the rooms, the chains, the lanes and the dispatch are the product's own; so is the in-memory log. What is
played here is only what surrounds them: a scheduler that picks the next step at random, a network that reorders,
repeats and loses, programs that crash, leases that lapse, and a Redis that comes back older. One seed is one history.
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast

from chatcluster.connect import hub as hubs, room as rooms
from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardId
from chatcluster.log import log, memory, memory_state
from chatcluster.task import dispatch, lane
from chatcluster.v1 import connect_pb2, logic_pb2, types_pb2 as pb

SHARDS = 2
OPEN = (ids.room(1), ids.room(2))
PRIVATE = ids.conversation(ids.UserId(1), ids.UserId(2))
INBOX = ids.inbox(ids.UserId(1))
LISTENED = (*OPEN, INBOX)
PUBLISHED = (*OPEN, PRIVATE)


SMALL = lane.Bounds(items=3)


@dataclass(frozen=True)
class Faults:
    """What may go wrong; weights of the scheduler's choice, 0: never."""

    lapse: float = 0.6
    gateway_crash: float = 0.3
    task_crash: float = 0.5
    silence: float = 0.4
    rollback: float = 0.7
    logic_away: float = 1.0
    poison: float = 0.03
    bounds: lane.Bounds = SMALL
    paces: tuple[float, ...] = (2, 6, 14)
    """How soon messages arrive: one is drawn for a history, the smaller the slower."""


CALM = Faults(0, 0, 0, 0, 0, 0, 0, lane.Bounds())


T = TypeVar("T")


def run(step: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        step.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    raise AssertionError("the in-memory log waited")


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

    def __init__(self, world: "World") -> None:
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

    def __init__(self, world: "World", name: str) -> None:
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
            if isinstance(call, hubs.Registration):
                self.world.rpc(partial(self._register, call), partial(self._registered, call), self._fail(call))
            else:
                self.world.rpc(partial(self._unregister, call), self._unregistered, self._fail(call))

    def _unregister(self, call: hubs.Unregistration) -> None:
        run(self.world.client().unregister(call.incarnation, call.number, call.rooms))

    def _unregistered(self, _: None) -> None:
        self.hub.unregistered()

    def _fail(self, call: hubs.Registration | hubs.Unregistration) -> Callable[[], None]:
        return lambda: self.hub.failed(call, self.world.now)

    def _register(self, call: hubs.Registration) -> list[tuple[log.Registered, str]]:
        answers = run(self.world.client().register(call.incarnation, call.number, [_read(read) for read in call.reads]))
        return [(answer, self.world.mark(answer.history.room, answer.history.position.offset)) for answer in answers]

    def _registered(self, call: hubs.Registration, answers: list[tuple[log.Registered, str]]) -> None:
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

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name, self.alive = world, name, True
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
        gateway = next((g for g in world.gateways if g.alive and incarnation.startswith(f"{g.name}/")), None)
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


class Server(memory_state.Server):
    """Redis: the log's state and the gateways' leases, which come back older together."""

    def __init__(self, shards: int, identity: str) -> None:
        super().__init__(shards, identity)
        self.leases: set[Incarnation] = set()

    def clone(self, identity: str) -> "Server":
        twin = Server(0, identity)
        twin.shards = [shard.clone() for shard in self.shards]
        twin.leases = set(self.leases)
        return twin


class World:
    """A cluster of two gateways, two tasks and one Redis; make it, and it has happened."""

    def __init__(self, seed: int, steps: int, faults: Faults) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.faults = faults
        self.now = 1_000_000_000.0
        self.skew = 0.0
        self.trace: list[str] = []
        self.bad: list[str] = []
        self.network: list[Callable[[], None]] = []
        self.server = Server(SHARDS, "run-0")
        self.snapshot: tuple[int, Server] | None = None
        self.logic_away = False
        self.acknowledged: dict[str, RoomName] = {}
        self.lost: set[str] = set()
        self.count = 0
        self.pace = self.random.choice(faults.paces)
        self.gateways = [Gateway(self, "G0"), Gateway(self, "G1")]
        self.tasks = [Task(self, "T0"), Task(self, "T1")]
        publishing = self.random.uniform(0.2, 1) * steps
        for number in range(steps):
            self.now += self.random.choice([0.01, 0.05, 0.3])
            self.step(number, publishing=number < publishing)
        self.quiesce()
        self.check()

    # -- what the programs use

    def client(self) -> memory.MemoryLog:
        """A client of the server that answers now."""
        return memory.MemoryLog(self.server, now=lambda: self.now + self.skew, draw=self.draw, limits=LIMITS)

    def draw(self, length: int) -> str:
        """Random hex digits."""
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def chance(self, probability: float) -> bool:
        """True, that often."""
        return self.random.random() < probability

    def note(self, line: str) -> None:
        """Add to the history's trace."""
        self.trace.append(line)

    def send(self, message: Callable[[], None]) -> None:
        """Put a message on the network; it arrives at any time."""
        self.network.append(message)

    def rpc(self, execute: Callable[[], T], answered: Callable[[T], None], failed: Callable[[], None]) -> None:
        """A call to logic: executed at any time, perhaps twice, perhaps never; ended once."""

        def end(then: Callable[[], None]) -> None:
            self.send(then)

        def arrive(*, first: bool) -> None:
            if self.logic_away or self.chance(0.05):
                end(failed) if first else None
                return
            result = execute()
            if first:
                end(failed) if self.chance(0.05) else end(lambda: answered(result))

        self.send(lambda: arrive(first=True))
        if self.chance(0.1):
            self.send(lambda: arrive(first=False))

    def mark(self, room: str, offset: int) -> str:
        """The message at an offset of a room's history; empty for none."""
        return next((text for o, text in self.history(room) if o == offset), "")

    def history(self, name: str) -> list[tuple[int, str]]:
        """A room's history as it is in the server now."""
        room = self.server.shards[ids.shard_of(name, SHARDS)].rooms.get(name)
        return [(p.offset, p.body.decode()) for p in room.history] if room else []

    # -- chaos

    def step(self, number: int, *, publishing: bool) -> None:
        """One thing happens."""
        choices: list[tuple[float, Callable[[], Any]]] = []
        if self.network:
            choices.append((self.pace, self.receive))
        if not self.logic_away:
            choices.append((5 if publishing else 0.2, self.publish))
        self._gateway_choices(choices, self.random.choice(self.gateways))
        self._task_choices(choices, self.random.choice(self.tasks))
        self._redis_choices(choices, number)
        _, happen = self.random.choices(choices, [weight for weight, _ in choices])[0]
        happen()

    def _gateway_choices(self, choices: list[tuple[float, Callable[[], Any]]], gateway: Gateway) -> None:
        if not gateway.alive:
            choices.append((2, lambda: self.restart(gateway)))
            return
        name = self.random.choice(LISTENED)
        if name in gateway.hub.rooms:
            choices.append((1, lambda: gateway.leave(name)))
        else:
            choices.append((4, lambda: gateway.enter(name)))
        choices += [
            (6, gateway.work),
            (0.5, lambda: gateway.hub.tick(self.now)),
            (0.3, self.wait),
            (self.faults.lapse, lambda: self.lapse(gateway)),
            (self.faults.gateway_crash, lambda: self.crash(gateway)),
        ]
        if not self.logic_away:
            choices.append((2, gateway.renew))

    def _task_choices(self, choices: list[tuple[float, Callable[[], Any]]], task: Task) -> None:
        shard = ShardId(self.random.randrange(SHARDS))
        if shard not in task.owned:
            choices.append((4, lambda: task.acquire(shard)))
        else:
            choices += [
                (8, lambda: task.take(shard)),
                (3, lambda: task.copy(shard)),
                (3, lambda: task.advance(shard)),
                (0.7, lambda: task.renew(shard)),
                (self.faults.task_crash, lambda: self.crash_task(task)),
            ]
        if task.dispatch.lanes:
            incarnation = self.random.choice(sorted(task.dispatch.lanes))
            choices += [
                (7, lambda: task.call(incarnation)),
                (0.7, task.dispatch.tick),
                (self.faults.silence, lambda: task.give_up(incarnation)),
            ]

    def _redis_choices(self, choices: list[tuple[float, Callable[[], Any]]], number: int) -> None:
        choices.append((0.8 if self.faults.task_crash else 0, self.expire_owners))
        if self.faults.rollback:
            choices.append((2, lambda: self.save(number)))
            if self.snapshot and number - self.snapshot[0] < 40:
                choices.append((self.faults.rollback, self.roll_back))
        if self.faults.logic_away:
            choices.append((self.faults.logic_away * (1.5 if self.logic_away else 1), self.toggle_logic))

    def receive(self) -> None:
        """Any message on the network arrives."""
        self.network.pop(self.random.randrange(len(self.network)))()

    def publish(self) -> None:
        """Somebody says something, and repeats it until it is acknowledged."""
        self.count += 1
        room, text = self.random.choice(PUBLISHED), f"m{self.count}"
        self._attempt(log.Draft(room, ids.UserId(1), text, text.encode(), text.encode().rjust(8)))

    def _attempt(self, draft: log.Draft) -> None:
        def execute() -> log.Published:
            self.note(f"publish {draft.message_id} in {draft.room}")
            return run(self.client().publish(draft))

        def acknowledged(_: log.Published) -> None:
            self.acknowledged[draft.message_id] = draft.room

        self.rpc(execute, acknowledged, lambda: self._attempt(draft))

    def stored(self) -> set[str]:
        """All messages that are in a history."""
        return {text for room in PUBLISHED for _, text in self.history(room)}

    def wait(self) -> None:
        """Time passes, so that what waits for a while is done."""
        self.now += 2.5

    def lapse(self, gateway: Gateway) -> None:
        """A gateway's lease ends."""
        self.note(f"the lease of {gateway.hub.incarnation} lapses")
        self.server.leases.discard(gateway.hub.incarnation)

    def crash(self, gateway: Gateway) -> None:
        """A gateway dies."""
        self.note(f"{gateway.name} crashes")
        gateway.alive = False

    def restart(self, gateway: Gateway) -> None:
        """A gateway comes back; its sockets do not."""
        self.gateways[self.gateways.index(gateway)] = Gateway(self, gateway.name)

    def crash_task(self, task: Task) -> None:
        """A task dies and another begins."""
        self.note(f"{task.name} crashes")
        task.alive = False
        self.tasks[self.tasks.index(task)] = Task(self, task.name)

    def expire_owners(self) -> None:
        """The shards' leases end, whoever holds them."""
        self.note("the shards' leases end")
        for shard in self.server.shards:
            if shard.owner_until is not None:
                shard.owner_until = 0

    def save(self, number: int) -> None:
        """What Redis may come back with."""
        self.snapshot = (number, self.server.clone(self.server.identity))

    def roll_back(self) -> None:
        """Redis comes back older: restarted with a cut tail, or another server; its clock may be behind."""
        assert self.snapshot
        kind = self.random.choice(["restart", "failover"])
        before = self.stored()
        self.server = self.snapshot[1].clone(f"run-{self.draw(8)}")
        self.snapshot = None
        if kind == "failover":
            self.skew -= self.random.choice([0, 0.5, 3])
        self.lost |= before - self.stored()
        self.note(f"Redis comes back by {kind} without {sorted(before - self.stored())}")

    def toggle_logic(self) -> None:
        """Logic goes away or comes back."""
        self.logic_away = not self.logic_away
        self.note(f"logic is {'away' if self.logic_away else 'back'}")

    # -- quiescence

    def quiesce(self) -> None:
        """No more faults: everything that repeats itself repeats itself for a minute."""
        self.note("-- quiescence")
        self.logic_away = False
        self.faults = replace(self.faults, poison=0)
        for second in range(45):
            self.now += 1
            for _ in range(3):
                while self.network:
                    self.receive()
                self._routine(second)

    def _routine(self, second: int) -> None:
        for gateway in self.gateways:
            if gateway.alive:
                gateway.renew()
                gateway.hub.tick(self.now)
                gateway.work()
        for task in self.tasks:
            for shard in range(SHARDS):
                self._routine_shard(task, ShardId(shard))
            if second % 5 == 0:
                task.dispatch.follow(dict.fromkeys(sorted(self.server.leases), ""))
                task.dispatch.tick()
            for incarnation in sorted(task.dispatch.lanes):
                task.call(incarnation)

    @staticmethod
    def _routine_shard(task: Task, shard: ShardId) -> None:
        if shard in task.owned:
            task.renew(shard)
        if shard not in task.owned:
            task.acquire(shard)
        for step in (task.take, task.take, task.copy, task.advance):
            if shard in task.owned:
                step(shard)

    # -- the check

    def check(self) -> None:
        """Everything acknowledged and not rolled back was stored once, and served once and in order."""
        for room in PUBLISHED:
            texts = [text for _, text in self.history(room)]
            self._demand(len(texts) == len(set(texts)), f"stored twice in {room}")
            due = [m for m, r in self.acknowledged.items() if r == room and m not in self.lost]
            self._demand(set(due) <= set(texts), f"acknowledged and gone in {room}: {set(due) - set(texts)}")
        copied = [text for _, text in self.history(INBOX)]
        private = [text for _, text in self.history(PRIVATE)]
        self._demand(copied == private, f"inbox {copied[-4:]} is not the conversation {private[-4:]}")
        for gateway in self.gateways:
            if gateway.alive:
                self._check_gateway(gateway)

    def _check_gateway(self, gateway: Gateway) -> None:
        for name, room in gateway.hub.rooms.items():
            who = f"{gateway.name} {name}"
            if not room.joined:
                self.bad.append(f"{who}: its join never ends")
                continue
            served, history = gateway.recorder.served[name], self.history(name)
            if served.after and served.mark != self.mark(name, served.after):
                self.bad.append(f"{who}: what it began with was rolled back, and nobody told it")
            want = [item for item in history if item[0] > served.after]
            self._demand(served.items == want, f"{who}: served {served.items[-5:]}, history has {want[-5:]}")

    def _demand(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.bad.append(otherwise)


LIMITS = log.Limits(room_burst=10_000)


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
