"""Work for many rooms, spread over shards.

Owns how a batch of rooms becomes one step a shard and how the answers come back in order. It lives in core because the
log and presence cut their work up in the same way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from chatcluster.core.ids import ShardId

_A = TypeVar("_A")
_B = TypeVar("_B")


async def each(
    items: Sequence[_A],
    shard_of: Callable[[_A], ShardId],
    step: Callable[[ShardId, Sequence[_A]], Awaitable[Sequence[_B]]],
    at_once: int,
) -> list[_B]:
    """Answer items in their order by steps for at most `at_once` of one shard; all steps run at the same time.

    When one fails, its error is raised once none is under way any more.
    """
    places: dict[ShardId, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(shard_of(item), []).append(place)
    parts = [(shard, part) for shard, whole in places.items() for part in _cut(whole, at_once)]
    found = await _all([step(shard, [items[place] for place in part]) for shard, part in parts])
    answers: dict[int, _B] = {}
    for (_, part), answer in zip(parts, found, strict=True):
        answers.update(zip(part, answer, strict=True))
    return [answers[place] for place in range(len(items))]


def _cut(places: list[int], at_once: int) -> list[list[int]]:
    return [places[start : start + at_once] for start in range(0, len(places), at_once)]


async def _all(steps: Sequence[Awaitable[_B]]) -> list[_B]:
    if len(steps) == 1:
        return [await steps[0]]
    done = await asyncio.gather(*steps, return_exceptions=True)
    answers = []
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
        answers.append(outcome)
    return answers
