import asyncio
from collections.abc import Sequence

import pytest

from chatcluster.core import shards
from chatcluster.core.ids import ShardId


def by_remainder(item: int) -> ShardId:
    """Three shards."""
    return ShardId(item % 3)


async def test_answers_come_in_order() -> None:
    """Each item gets the answer of its own shard."""
    asked: list[tuple[ShardId, list[int]]] = []

    async def step(shard: ShardId, items: Sequence[int]) -> list[str]:
        asked.append((shard, list(items)))
        return [f"{shard}:{item}" for item in items]

    assert await shards.each(range(5), by_remainder, step, 10) == ["0:0", "1:1", "2:2", "0:3", "1:4"]
    assert sorted(asked) == [(0, [0, 3]), (1, [1, 4]), (2, [2])]


async def test_a_shard_is_asked_in_parts() -> None:
    """No step gets more than it may."""
    sizes: list[int] = []

    async def step(_: ShardId, items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        return items

    assert await shards.each(range(0, 21, 3), by_remainder, step, 3) == list(range(0, 21, 3))
    assert sizes == [3, 3, 1]


async def test_nothing_asks_nobody() -> None:
    """An empty batch needs no step."""

    async def step(_: ShardId, items: Sequence[int]) -> Sequence[int]:
        raise AssertionError(items)

    assert await shards.each([], by_remainder, step, 3) == []


async def test_a_failure_waits_for_the_others() -> None:
    """When it is raised no step is under way any more."""
    done: list[ShardId] = []

    async def step(shard: ShardId, items: Sequence[int]) -> Sequence[int]:
        if shard == 0:
            raise ConnectionError
        await asyncio.sleep(0)
        done.append(shard)
        return items

    with pytest.raises(ConnectionError):
        await shards.each(range(3), by_remainder, step, 3)

    assert sorted(done) == [1, 2]


async def test_one_failure_of_one() -> None:
    """A batch of a single step fails in the same way."""

    async def step(_: ShardId, __: Sequence[int]) -> Sequence[int]:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await shards.each([1], by_remainder, step, 3)
