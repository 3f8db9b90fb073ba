import asyncio

import pytest
from prometheus_client import REGISTRY

from chatcluster.core import errors
from chatcluster.core.turns import Turns
from support.eventually import eventually


class Work:
    """Something that takes as long as the test wants, done in turns."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.under_way: list[int] = []
        self.done = asyncio.Event()

    async def do(self, number: int) -> None:
        """Do it in a turn of its own."""
        async with self._turns:
            self.under_way.append(number)
            await self.done.wait()


def refused() -> float:
    """How many were refused so far."""
    return REGISTRY.get_sample_value("chat_rejected_total", {"reason": "turns"}) or 0


async def test_some_at_once_and_the_others_in_order() -> None:
    """Whoever has waited longest is next."""
    work = Work(Turns(at_once=2, patience=10, line=10))
    tasks = [asyncio.create_task(work.do(number)) for number in range(4)]
    await eventually(lambda: work.under_way == [0, 1])
    work.done.set()
    await asyncio.gather(*tasks)

    assert work.under_way == [0, 1, 2, 3]


async def test_who_has_waited_long_is_refused() -> None:
    """As busy: nothing was done. Those who have a turn keep it, and the next one comes in when it is free."""
    work = Work(Turns(at_once=1, patience=0.05, line=10))
    first = asyncio.create_task(work.do(0))
    await eventually(lambda: work.under_way)
    counted = refused()
    with pytest.raises(errors.Busy, match="at once"):
        await work.do(1)
    assert refused() == counted + 1
    work.done.set()
    await first

    await work.do(2)
    assert work.under_way == [0, 2]


async def test_long_line_refuses_at_once() -> None:
    """Who is in it goes on waiting."""
    work = Work(Turns(at_once=1, patience=10, line=1))
    tasks = [asyncio.create_task(work.do(number)) for number in range(2)]
    await eventually(lambda: work.under_way)
    with pytest.raises(errors.Busy, match="wait"):
        await work.do(2)
    work.done.set()
    await asyncio.gather(*tasks)

    assert work.under_way == [0, 1]


async def test_who_gives_up_leaves_no_trace() -> None:
    """Neither a turn that nobody has nor a place in the line."""
    work = Work(Turns(at_once=1, patience=10, line=1))
    first, waiting = asyncio.create_task(work.do(0)), asyncio.create_task(work.do(1))
    await eventually(lambda: work.under_way)
    waiting.cancel()
    await asyncio.wait([waiting])
    third = asyncio.create_task(work.do(2))
    await asyncio.sleep(0)
    work.done.set()
    await asyncio.gather(first, third)

    assert work.under_way == [0, 2]
