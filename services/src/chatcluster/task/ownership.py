"""Which shards this task works on.

Owns this task's lease, the shards' leases, and the life of a worker for each shard that is held. A shard that should be
another's is given up as soon as that is known; one that should be this task's is taken as soon as its lease is free:
within `log.OWNER_TTL` of its owner's death and half a second. Two owners for a while do no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import structlog

from chatcluster.core import errors, telemetry
from chatcluster.core.ids import ShardId
from chatcluster.log import log
from chatcluster.presence import presence
from chatcluster.task import rendezvous
from chatcluster.task.worker import Parts, Stuck, Worker

LOOK = 0.5
"""Seconds between two looks at which tasks live, and which shards are wanted and free."""
RENEW = 1.0
"""Seconds between two renewals of the shards' leases."""

_log = structlog.get_logger()

Step = Callable[[], Awaitable[object]]


class Ownership:
    """The shards of one task. `name` is unique among all processes that ever were."""

    def __init__(self, name: str, parts: Parts) -> None:
        self._name = name
        self._parts = parts
        self._log: log.Log = parts.log
        self._presence: presence.Presence = parts.presence
        self._workers: dict[ShardId, Worker] = {}
        self._tasks: dict[ShardId, asyncio.Task[None]] = {}
        self._renewed = float("-inf")
        self._living: Sequence[str] = ()
        self._wanted: frozenset[ShardId] = frozenset()

    async def run(self) -> None:
        """Hold the shards that fall to this task, until cancelled; then give them all up."""
        async with asyncio.TaskGroup() as tasks:
            try:
                while True:
                    await self._look(tasks)
                    await asyncio.sleep(LOOK)
            finally:
                await self._leave()

    def settled(self, shards: Iterable[ShardId]) -> None:
        """Tell the shards' workers that their cursors may move."""
        for shard in shards:
            if worker := self._workers.get(shard):
                worker.settled()

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        await self._try("beat", self._beat)
        now = asyncio.get_running_loop().time()
        if now - self._renewed >= RENEW:
            self._renewed = now
            await self._all("renew", (partial(self._renew, worker) for worker in self._workers.values()))
        unwanted = [worker for shard, worker in self._workers.items() if shard not in self._wanted]
        await self._all("release", (partial(self._give_up, worker) for worker in unwanted))
        missing = self._wanted - self._workers.keys()
        await self._all("acquire", (partial(self._acquire, shard, tasks) for shard in missing))
        telemetry.SHARDS_OWNED.set(len(self._workers))

    async def _beat(self) -> None:
        living = await self._presence.beat(self._name)
        if living != self._living:
            self._living = living
            self._wanted = rendezvous.shards_of(self._name, living, self._log.shards)

    async def _renew(self, worker: Worker) -> None:
        if not await self._log.renew(worker.ownership):
            _log.info("shard_lost", shard=worker.ownership.shard)
            await self._end(worker)
            await self._log.release(worker.ownership)  # still this task's if only the epoch is over: take it anew

    async def _acquire(self, shard: ShardId, tasks: asyncio.TaskGroup) -> None:
        ownership = await self._log.acquire(shard, self._name)
        if ownership:
            _log.info("shard_acquired", shard=shard, takeovers=ownership.takeovers, cursor=str(ownership.cursor))
            self._workers[shard] = worker = Worker(ownership, self._parts)
            self._tasks[shard] = tasks.create_task(self._work(worker))

    async def _work(self, worker: Worker) -> None:
        try:
            await worker.run()
        except errors.Superseded as exc:
            _log.info("shard_lost", shard=worker.ownership.shard, reason=str(exc))
            await self._try("release", partial(self._log.release, worker.ownership))
        except Stuck as exc:
            # Not released: a lease that runs out counts against the entry at the cursor.
            _log.info("shard_left", shard=worker.ownership.shard, step=str(exc))
        finally:
            if self._workers.get(worker.ownership.shard) is worker:
                del self._workers[worker.ownership.shard]
                self._tasks.pop(worker.ownership.shard, None)

    async def _end(self, worker: Worker) -> None:
        shard = worker.ownership.shard
        if self._workers.get(shard) is worker:  # else it has ended by itself meanwhile
            task = self._tasks[shard]
            task.cancel()
            await asyncio.wait([task])

    async def _give_up(self, worker: Worker) -> None:
        await self._end(worker)
        await self._log.release(worker.ownership)
        _log.info("shard_released", shard=worker.ownership.shard)

    async def _leave(self) -> None:
        """Let others take over at once. What cannot be given up now runs out by itself."""
        await self._all("release", (partial(self._give_up, worker) for worker in self._workers.values()))
        await self._try("leave", partial(self._presence.beat, self._name, leaving=True))

    async def _all(self, name: str, steps: Iterable[Step]) -> None:
        await asyncio.gather(*(self._try(name, step) for step in steps))

    async def _try(self, name: str, step: Step) -> None:
        """Do a step that will be done again anyway; a failure is logged, whatever it is of Redis."""
        try:
            await step()
        except (errors.Busy, errors.OutcomeUnknown) as exc:
            _log.warning("redis_step_failed", step=name, error=str(exc))
