"""The task program: from the shards' dispatch streams to the gateways. It serves nothing but its health port."""

import asyncio
import os
import time
import uuid
from collections.abc import Iterable

from chatcluster.core import health, redis, runner
from chatcluster.core.environment import Cluster
from chatcluster.core.ids import ShardId
from chatcluster.log.redis import RedisLog
from chatcluster.log.settings import Settings as LogSettings
from chatcluster.presence.redis import RedisPresence
from chatcluster.task import servers, upkeep
from chatcluster.task.callers import Callers, Observation
from chatcluster.task.clock import RunningClock
from chatcluster.task.dispatch import Dispatch
from chatcluster.task.ownership import Ownership
from chatcluster.task.settings import Settings
from chatcluster.task.worker import Parts


async def main(run: runner.Runner) -> None:
    """Dispatch until told to stop; then give the shards up, so that others need not wait."""
    settings, cluster = Settings.from_env(run.environ), Cluster.from_env(run.environ)
    bounds = LogSettings.from_env(run.environ)
    client = redis.Client(redis.Settings.from_env(run.environ))
    readiness = health.Readiness()
    log = RedisLog(client, cluster.key_prefix, bounds.shards, bounds.limits)
    presence = RedisPresence(client, cluster.key_prefix, bounds.shards)
    dispatch = Dispatch(cluster.name, Observation(), settings.lane)
    clock = RunningClock(time.monotonic)

    def settled(shards: Iterable[ShardId]) -> None:
        ownership.settled(shards)

    callers = Callers(dispatch, cluster.secret, settings.attempt, clock, settled)
    name = f"{settings.name}/{uuid.uuid4().hex[:8]}"
    ownership = Ownership(name, Parts(log, presence, dispatch, callers.follow, settings.batch))
    run.spawn(client.follow(readiness.dependency("redis")), "redis")
    run.spawn(clock.run(), "clock")
    run.spawn(callers.run(), "callers")
    run.spawn(upkeep.tick(presence, dispatch, callers.follow), "tick")
    run.spawn(upkeep.measure(log, dispatch, bounds.limits), "backlog")
    run.spawn(servers.measure(client.information, bounds.limits.memory_fraction), "servers")
    owning = run.spawn(ownership.run(), "ownership")
    run.report(health=await health.serve(run, health.Settings.from_env(run.environ), readiness))
    await run.stopping.wait()
    readiness.drain()
    owning.cancel()
    await asyncio.wait([owning])
    await client.aclose()


if __name__ == "__main__":
    runner.run(main, "task", os.environ)
