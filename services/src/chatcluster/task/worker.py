"""The work on one shard, for as long as this task holds its lease.

Owns the order of the steps: read, look up who holds the rooms (after the read, never before), route, copy private
messages, move the cursor. Does not own the lease (ownership) nor calls to gateways (callers). Every step may be
repeated by the next owner from the cursor on: gateways, inboxes and the cursor itself take each thing once.

A step that Redis is away for is repeated for as long as that lasts. One that Redis itself fails, `TRIES` times in a
row, ends the worker as if it had died of it: its lease runs out, and the next owner counts a takeover. So an entry that
cannot be handled is set aside in the end (poison), and the shard is never held by somebody who gets nowhere.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from chatcluster.core import errors, ids, telemetry
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.log import log
from chatcluster.presence import presence
from chatcluster.task import poison
from chatcluster.task.dispatch import Dispatch, room_of

WAIT = 5.0
"""Seconds that a read waits for the first entry."""
CURSOR_DELAY = 0.5
"""Seconds in which cursor moves are gathered: a cursor that lags costs only repetition after a crash."""
COPIES = 100
"""Copies in one step, when the one before it went well."""
GIVE_WAY = (50, 0.01)
"""How often a batch waits for room in the lanes, and for how many seconds each time: a backlog is read faster than any
gateway takes it. After that it goes on, and the lane of a gateway that is too slow for it overflows."""
PAUSES = (0.1, 2.0)
"""Seconds until a step on Redis is tried again: the first pause and the longest."""
TRIES = 5
"""Failures in a row of one step, each by an error of Redis' own, after which the worker gives up."""

_log = structlog.get_logger()
T = TypeVar("T")


class Stuck(Exception):
    """Redis is there, and fails a step again and again."""


Follow = Callable[[Mapping[Incarnation, str]], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What all workers of a task share."""

    log: log.Log
    presence: presence.Presence
    dispatch: Dispatch
    follow: Follow
    """Told the living gateways at the beginning and after each routing, so that their callers go on."""
    batch: int
    """Entries that are read at once."""
    time: Callable[[], float] = time.time
    """The wall clock, in seconds since 1970: entries carry Redis'."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whose batch is routed: of several at once, each would find room where there is room for one."""


class Worker:
    """One shard's reader, copier and cursor."""

    def __init__(self, ownership: log.Ownership, parts: Parts) -> None:
        self.ownership = ownership
        self._shard = ownership.shard
        self._log = parts.log
        self._presence = parts.presence
        self._dispatch = parts.dispatch
        self._follow = parts.follow
        self._batch = parts.batch
        self._turn = parts.turn
        self._time = parts.time
        self._copies = COPIES
        self._to_copy = asyncio.Event()
        self._settled = asyncio.Event()
        self._passed = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled. Raises `Superseded` when another task owns the shard or its epoch is over, and `Stuck`
        when the lease has to run out.
        """
        self._dispatch.own(self.ownership)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_for_ever())
                tasks.create_task(self._copy_for_ever())
                tasks.create_task(self._advance_for_ever())
        except* (errors.Superseded, Stuck) as ended:
            end = Stuck if ended.subgroup(Stuck) else errors.Superseded
            raise end(str(ended.exceptions[0])) from None
        finally:
            self._dispatch.disown(self._shard)

    def settled(self) -> None:
        """Gateways have answered: the cursor may move."""
        self._settled.set()

    # -- reading

    async def _read_for_ever(self) -> None:
        self._follow(await self._retry("gateways", self._presence.gateways))  # they hear from their new owner at once
        limit = poison.batch_limit(self.ownership, self._batch)
        await self._route(poison.condemn(self.ownership, await self._read(limit)))
        await self._until(lambda: limit == self._batch or not self._dispatch.is_unpassed(self._shard))
        while True:
            await self._until(lambda: not self._dispatch.is_full(self._shard))
            await self._route(await self._read(self._batch))

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._passed.clear()
            await self._passed.wait()

    async def _read(self, limit: int) -> list[log.Entry]:
        position = self._dispatch.position(self._shard)
        step = partial(self._log.entries, self._shard, position, limit, WAIT)
        return poison.judge(await self._retry("entries", step))

    async def _route(self, entries: Sequence[log.Entry]) -> None:
        if not entries:
            return
        for entry in entries:
            if entry.poison:
                await self._set_aside(entry, entry.poison)
        rooms = list({room_of(entry) for entry in entries if entry.poison is None})
        holders, live = await self._retry("holders", partial(self._look_up, rooms))
        async with self._turn:
            await self._give_way(entries, holders)
            if not self._dispatch.route(self._shard, entries, holders, live):
                raise errors.Superseded("the shard's epoch is over")
        telemetry.DISPATCH_LATENCY_SECONDS.observe(max(0.0, self._time() - entries[0].id.ms / 1000))
        self._follow(live)
        self._to_copy.set()
        self._settled.set()

    async def _give_way(self, entries: Sequence[log.Entry], holders: log.Holders) -> None:
        times, pause = GIVE_WAY
        for _ in range(times):
            if self._dispatch.has_room(entries, holders):
                break
            await asyncio.sleep(pause)

    async def _look_up(self, rooms: Sequence[RoomName]) -> tuple[log.Holders, Mapping[Incarnation, str]]:
        holders, live = await asyncio.gather(self._log.holders(self._shard, rooms), self._presence.gateways())
        return holders, live

    async def _set_aside(self, entry: log.Entry, reason: str) -> None:
        await self._retry("set_aside", partial(self._log.set_aside, self.ownership, entry, reason))
        telemetry.DEAD_LETTERS_TOTAL.labels(reason if reason == poison.DEADLY else poison.UNDECODABLE).inc()
        _log.error("entry_set_aside", shard=self._shard, entry=str(entry.id), reason=reason)

    # -- private messages

    async def _copy_for_ever(self) -> None:
        while True:
            await self._to_copy.wait()
            self._to_copy.clear()
            while self._dispatch.to_copy(self._shard):
                await self._retry("copy", self._copy)
                self._settled.set()

    async def _copy(self) -> None:
        waiting = self._dispatch.to_copy(self._shard)[: self._copies]
        self._copies = 1  # unless all goes well: so that the cursor comes to the very one that cannot be copied
        if not await self._log.renew(self.ownership):  # or what Redis has lost would come back in inboxes
            raise errors.Superseded("the shard is another task's")
        await asyncio.gather(*(self._log.copy(self._shard, some) for some in _by_shard(waiting, self._log.shards)))
        self._copies = COPIES
        self._dispatch.copied(self.ownership, waiting[-1].id)

    # -- the cursor

    async def _advance_for_ever(self) -> None:
        while True:
            await self._settled.wait()
            self._settled.clear()
            entry = self._dispatch.passed(self._shard)
            if entry is not None:
                self._passed.set()
                await self._retry("advance", partial(self._advance, entry))
                await asyncio.sleep(CURSOR_DELAY)

    async def _advance(self, entry: log.Entry) -> None:
        if not await self._log.advance(self.ownership, entry):
            raise errors.Superseded("the shard is another task's")

    async def _retry(self, name: str, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat a step for as long as Redis is away: each is idempotent. Raises `Stuck` when it is not away."""
        pause, failures = PAUSES[0], 0
        while True:
            try:
                return await step()
            except (errors.Busy, errors.OutcomeUnknown) as exc:
                failures = failures + 1 if exc.lasting else 0
                if failures >= TRIES:
                    telemetry.SHARDS_STUCK_TOTAL.labels(name).inc()
                    _log.error("shard_stuck", shard=self._shard, step=name, error=str(exc))
                    raise Stuck(name) from exc
                _log.warning("redis_step_failed", shard=self._shard, step=name, error=str(exc))
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSES[1])


def _by_shard(entries: Sequence[log.Entry], shards: int) -> list[list[log.Copy]]:
    """The copies that private publications need, in order, apart for each shard of inboxes."""
    found: dict[int, list[log.Copy]] = {}
    for entry in entries:
        if entry.publication is None:
            continue
        for user in sorted(set(ids.parse_room(entry.publication.room).users)):
            inbox = ids.inbox(user)
            copy = log.Copy(inbox, entry.id, entry.publication, entry.replayed)
            found.setdefault(ids.shard_of(inbox, shards), []).append(copy)
    return list(found.values())
