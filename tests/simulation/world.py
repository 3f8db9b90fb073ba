"""One random history of a cluster: chaos, then quiescence, then the check.

The hub, the rooms, the chains, the lanes and the dispatch are the product's own; so is the in-memory log. What is
played here is only what surrounds them: a scheduler that picks the next step at random, a network that reorders,
repeats and loses, programs that crash, leases that lapse, and a Redis that comes back older. One seed is one history.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardId
from chatcluster.log import log
from simulation.programs import Gateway, Task
from simulation.surroundings import INBOX, LISTENED, PRIVATE, PUBLISHED, SHARDS, Faults, Server, Surroundings, run


class World(Surroundings):
    """A cluster of two gateways, two tasks and one Redis; make it, and it has happened."""

    def __init__(self, seed: int, steps: int, faults: Faults) -> None:
        super().__init__(seed, faults)
        self.snapshot: tuple[int, Server] | None = None
        self.acknowledged: dict[str, RoomName] = {}
        self.lost: set[str] = set()
        self.count = 0
        self.pace = self.random.choice(faults.paces)
        self.gateways = [Gateway(self, "G0"), Gateway(self, "G1")]
        self.tasks = [Task(self, "T0", self.find), Task(self, "T1", self.find)]
        publishing = self.random.uniform(0.2, 1) * steps
        for number in range(steps):
            self.now += self.random.choice([0.01, 0.05, 0.3])
            self.step(number, publishing=number < publishing)
        self.quiesce()
        self.check()

    def find(self, incarnation: Incarnation) -> Gateway | None:
        """The gateway of that name, while it lives; it may be another incarnation by now."""
        return next((g for g in self.gateways if g.alive and incarnation.startswith(f"{g.name}/")), None)

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
        self.tasks[self.tasks.index(task)] = Task(self, task.name, self.find)

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
