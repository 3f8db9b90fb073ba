"""What surrounds the programs of a simulated cluster: a clock, a network that reorders, repeats and loses, and a Redis.

Everything random is drawn from one seeded source, so that one seed is one history.
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation
from chatcluster.log import log, memory, memory_state
from chatcluster.task import lane

SHARDS = 2
OPEN = (ids.room(1), ids.room(2))
PRIVATE = ids.conversation(ids.UserId(1), ids.UserId(2))
INBOX = ids.inbox(ids.UserId(1))
LISTENED = (*OPEN, INBOX)
PUBLISHED = (*OPEN, PRIVATE)

LIMITS = log.Limits(room_burst=10_000)

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


class Surroundings:
    """What a program of a history sees of it."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.faults = faults
        self.now = 1_000_000_000.0
        self.skew = 0.0
        self.trace: list[str] = []
        self.bad: list[str] = []
        self.network: list[Callable[[], None]] = []
        self.server = Server(SHARDS, "run-0")
        self.logic_away = False

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
