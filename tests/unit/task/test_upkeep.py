from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from chatcluster.core import errors, ids
from chatcluster.core.ids import ShardId
from chatcluster.log.log import Limits
from chatcluster.task import upkeep
from support.eventually import eventually
from support.tasking import GATEWAY, ROOM, SHARD, SHARDS, Tasking, running


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Tick more often than usual."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upkeep, "TICK", 0.01)
        yield


@pytest.fixture
async def tasking() -> Tasking:
    """A task that owns a shard, and a gateway."""
    tasking = Tasking()
    ownership = await tasking.memory.acquire(SHARD, "task-1")
    assert ownership is not None
    tasking.dispatch.own(ownership)
    await tasking.gateway(ROOM)
    return tasking


def shown(name: str, shard: ShardId | None = SHARD) -> float | None:
    """A gauge."""
    return REGISTRY.get_sample_value(name, {} if shard is None else {"shard": str(shard)})


async def test_gateways_are_told_again_and_again(tasking: Tasking) -> None:
    """An empty batch of every shard is the sign of life by which they trust dispatch."""
    async with running(upkeep.tick(tasking.presence, tasking.dispatch, tasking.follow)):
        await eventually(lambda: tasking.deliver() and len(tasking.delivered) >= 3)

    assert {(batch.shard, len(batch.publications)) for batch in tasking.delivered} == {(SHARD, 0)}


async def test_gateway_whose_lease_lapsed_is_dropped(tasking: Tasking) -> None:
    """Without anything being published."""
    async with running(upkeep.tick(tasking.presence, tasking.dispatch, tasking.follow)):
        await eventually(lambda: GATEWAY in tasking.dispatch.lanes)
        await tasking.presence.release(GATEWAY)
        await eventually(lambda: not tasking.dispatch.lanes)


async def test_nothing_is_dropped_while_redis_is_away(tasking: Tasking) -> None:
    """Who lives is not known then; afterwards it goes on."""
    async with running(upkeep.tick(tasking.presence, tasking.dispatch, tasking.follow)):
        await eventually(lambda: GATEWAY in tasking.dispatch.lanes)
        tasking.presence.refused["gateways"] = errors.Unavailable()
        await eventually(lambda: tasking.presence.refusals["gateways"] > 2)
        assert GATEWAY in tasking.dispatch.lanes
        tasking.presence.refused.clear()
        followed = tasking.followed
        await eventually(lambda: tasking.followed > followed)


async def test_backlog_is_shown(tasking: Tasking) -> None:
    """Of the shards that this task owns, and of no others; also after a time without Redis."""
    await tasking.post(ROOM, "a", "b")
    tasking.clock.time += 5
    [entry, *_] = await tasking.memory.entries(SHARD, ids.ZERO, 1, 0)
    ownership = tasking.dispatch._shards[SHARD].ownership
    await tasking.memory.set_aside(ownership, entry, "torn")
    tasking.log.refused["backlog"] = errors.Unavailable()
    limits = Limits(dispatch_entries=8, dispatch_bytes=1_000_000)
    async with running(upkeep.measure(tasking.log, tasking.dispatch, limits)):
        await eventually(lambda: tasking.log.refusals["backlog"])
        tasking.log.refused.clear()
        await eventually(lambda: shown("chat_dispatch_backlog_entries") == 2)
        assert shown("chat_dispatch_backlog_seconds") == pytest.approx(5)
        assert shown("chat_dispatch_backlog_fill_ratio", None) == 2 / 8
        assert shown("chat_dead_letters_held", None) == 1
        assert shown("chat_shards", None) == SHARDS
        tasking.dispatch.disown(SHARD)
        await eventually(lambda: shown("chat_dispatch_backlog_entries") is None)

    assert shown("chat_dispatch_backlog_seconds") is None
    assert shown("chat_dispatch_backlog_fill_ratio", None) == 0
    assert shown("chat_dead_letters_held", None) == 0
