"""How connections enter rooms with a position: read on until they stand where the room stands, then hear it.

Owns the joins that are under way. Does not own rooms (hub), who is where (membership), or how an answer looks (the
joiner). A join waits for the room's registration, reads history after the joiner's position, and enters in the very
turn of the loop in which the answer is written: what came before is in the answer, what comes after is pushed.

Bounds: one join for each connection and room, `PATIENCE` seconds each; `WORKERS` reads are under way at once, each of
at most `ROOMS` rooms, and joiners who ask for the same read share one.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from chatcluster.connect.hub import Hub
from chatcluster.connect.logic import Logic
from chatcluster.connect.membership import Member, Membership
from chatcluster.connect.v1_codec import Page
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.v1 import logic_pb2, types_pb2 as pb

PATIENCE = 10.0
WORKERS = 4
ROOMS = 50
LIMIT = 200
"""Publications of one room in one read; a page seldom holds more."""
RETRY = (0.1, 0.5)
"""Seconds until a read that failed, or that the room has overtaken, is repeated: drawn between the two."""


class Joiner(Protocol):
    """A client that joins."""

    @property
    def member(self) -> Member:
        """Its connection."""
        ...

    def page(self, publications: Iterable[pb.Publication]) -> Page:
        """As many publications as one answer holds."""
        ...

    def joined(
        self, join: "Join", stands: pb.Position, history: logic_pb2.RoomHistory, page: Page, *, hears: bool
    ) -> None:
        """Answer: the room `stands` there, and `hears` says whether what comes next will be pushed."""
        ...

    def not_joined(self, join: "Join", error: errors.ChatError) -> None:
        """Answer that it was not done."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """One that is under way."""

    joiner: Joiner
    request: int
    room: RoomName
    since: pb.Position | None
    """Where the joiner stands; None: at the room's end."""
    expires: float


_NOTHING = Page([], is_whole=True)


class Joins:
    """All joins of a gateway. `run` has to run beside it, and `tick` to be called about once a second."""

    def __init__(
        self, hub: Hub, membership: Membership, logic: Logic, clock: Callable[[], float], random: random.Random
    ) -> None:
        self._hub = hub
        self._membership = membership
        self._logic = logic
        self._clock = clock
        self._random = random
        self._pending: dict[Joiner, dict[RoomName, Join]] = {}
        self._unregistered: dict[RoomName, list[Join]] = {}
        """Those whose room has to be registered first."""
        self._line: deque[Join] = deque()
        """Those whose history is to be read."""
        self._waiting = asyncio.Event()

    def begin(self, joiner: Joiner, request: int, room: RoomName, since: pb.Position | None) -> None:
        """Join; an earlier join of the same room that is still under way is given up."""
        self.cancel(joiner, room)
        join = Join(joiner, request, room, since, self._clock() + PATIENCE)
        self._pending.setdefault(joiner, {})[room] = join
        self._membership.prepare(joiner.member, room)
        if self._hub.rooms[room].joined:
            self._go_on(join)
        else:
            self._unregistered.setdefault(room, []).append(join)

    def count(self, joiner: Joiner) -> int:
        """How many joins of one joiner are under way."""
        return len(self._pending.get(joiner, ()))

    def cancel(self, joiner: Joiner, room: RoomName) -> None:
        """Give up a join that is under way, if there is one."""
        if join := self._pending.get(joiner, {}).get(room):
            self._fail(join, errors.Superseded("left, or joined again, before this was done"))

    def forget(self, joiner: Joiner) -> None:
        """The joiner is gone: nobody waits for its answers."""
        for room in self._pending.pop(joiner, ()):
            self._hub.exit(room, joiner.member)

    def registered(self, rooms: Iterable[RoomName]) -> None:
        """These rooms know where they stand."""
        for room in rooms:
            for join in self._unregistered.pop(room, ()):
                if self._is_pending(join):
                    self._go_on(join)

    def tick(self) -> None:
        """Give up what takes too long."""
        now = self._clock()
        joins = [join for mine in self._pending.values() for join in mine.values()]
        for join in [join for join in joins if join.expires <= now]:
            self._fail(join, errors.Unavailable("the room could not be read in time"))

    async def run(self) -> None:
        """Read for ever."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WORKERS):
                tasks.create_task(self._read_for_ever())

    def _go_on(self, join: Join) -> None:
        if join.since is None:
            room = self._hub.rooms[join.room]
            assert room.position is not None, "a room that has joined stands somewhere"
            here = logic_pb2.RoomHistory(room=join.room, position=room.position, recovered=True, after=room.offset)
            self._enter(join, here, _NOTHING, room.position)
        else:
            self._line.append(join)
            self._waiting.set()

    async def _read_for_ever(self) -> NoReturn:
        while True:
            await self._waiting.wait()
            joins = self._take()
            if joins and not await self._read(joins):
                await asyncio.sleep(self._random.uniform(*RETRY))

    def _take(self) -> list[Join]:
        taken: list[Join] = []
        reads: set[tuple[RoomName, str, int]] = set()
        while self._line and len(reads) < ROOMS:
            join = self._line.popleft()
            if self._is_pending(join):
                taken.append(join)
                reads.add(_key(join))
        if not self._line:
            self._waiting.clear()
        return taken

    async def _read(self, joins: Sequence[Join]) -> bool:
        """Read for these and answer them; False when some have to be tried again."""
        keys = list(dict.fromkeys(map(_key, joins)))
        reads = [logic_pb2.RoomRead(room=r, since={"epoch": e, "offset": o}, limit=LIMIT) for r, e, o in keys]
        try:
            histories = dict(zip(keys, await self._logic.history(b"", reads), strict=True))
        except errors.ChatError:
            again = [*joins]
        else:
            again = [join for join in joins if self._is_pending(join) and not self._answer(join, histories[_key(join)])]
        self._line.extend(again)
        if again:
            self._waiting.set()
        return not again

    def _answer(self, join: Join, history: logic_pb2.RoomHistory) -> bool:
        """Whether the join has its answer."""
        if history.error:
            return False
        page = join.joiner.page(history.publications)
        last = history.publications[-1].offset if history.publications else history.position.offset
        if page.is_whole and last >= history.position.offset:
            return self._admit(join, history)
        self._done(join)
        self._membership.part(join.joiner.member, join.room)
        join.joiner.joined(join, history.position, history, page, hears=False)
        return True

    def _admit(self, join: Join, history: logic_pb2.RoomHistory) -> bool:
        shown = self._hub.admit(join.room, join.joiner.member, history)
        if shown is None:
            return False
        stands = self._hub.rooms[join.room].position
        assert stands is not None, "nobody is admitted to a room that has not joined"
        self._enter(join, history, join.joiner.page(shown), stands)
        return True

    def _enter(self, join: Join, history: logic_pb2.RoomHistory, page: Page, stands: pb.Position) -> None:
        self._done(join)
        join.joiner.joined(join, stands, history, page, hears=True)
        self._membership.hear(join.joiner.member, join.room)

    def _fail(self, join: Join, error: errors.ChatError) -> None:
        self._done(join)
        self._membership.part(join.joiner.member, join.room)
        join.joiner.not_joined(join, error)

    def _done(self, join: Join) -> None:
        mine = self._pending[join.joiner]
        del mine[join.room]
        if not mine:
            del self._pending[join.joiner]

    def _is_pending(self, join: Join) -> bool:
        return self._pending.get(join.joiner, {}).get(join.room) is join


def _key(join: Join) -> tuple[RoomName, str, int]:
    assert join.since is not None, "only a join with a position reads"
    return join.room, join.since.epoch, join.since.offset
