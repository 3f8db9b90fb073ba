"""A worker on a shard of a task that is played (tasking)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from prometheus_client import REGISTRY

from chatcluster.core import ids
from chatcluster.core.ids import UserId
from chatcluster.log import log
from chatcluster.task.worker import Worker
from support.tasking import SHARD, SHARDS, Tasking, running

ANN, BOB = UserId(1), UserId(2)
TALK = ids.conversation(ANN, BOB)
TALK_SHARD = ids.shard_of(TALK, SHARDS)


async def owned(tasking: Tasking, shard: ids.ShardId = SHARD, takeovers: int = 0) -> log.Ownership:
    """Take a shard."""
    ownership = await tasking.memory.acquire(shard, "task-1")
    assert ownership is not None
    return replace(ownership, takeovers=takeovers)


@asynccontextmanager
async def working(
    tasking: Tasking, shard: ids.ShardId = SHARD, takeovers: int = 0, batch: int = 100
) -> AsyncIterator[Worker]:
    """Have a worker on a shard as long as the block."""
    worker = Worker(await owned(tasking, shard, takeovers), tasking.parts(batch))
    async with running(worker.run()):
        yield worker


def counted(name: str, **labels: str) -> float:
    """A metric's value."""
    return REGISTRY.get_sample_value(name, labels) or 0
