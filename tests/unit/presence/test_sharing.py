import asyncio

import pytest

from chatcluster.presence.sharing import Shared


class Source:
    """Reads that end when the test says so."""

    def __init__(self) -> None:
        self.value = 0
        self.began = 0
        self.under_way = 0
        self.most = 0
        self.gate = asyncio.Semaphore(0)
        self.failure: Exception | None = None

    async def read(self) -> int:
        """The value when the read began."""
        seen = self.value
        self.began += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.acquire()
        finally:
            self.under_way -= 1
        if self.failure:
            raise self.failure
        return seen


async def turns(number: int = 20) -> None:
    """Let everything run that can."""
    for _ in range(number):
        await asyncio.sleep(0)


async def test_one_read_for_many() -> None:
    """Who asks before it begins shares it; however many ask, one is under way and one waits."""
    source = Source()
    shared = Shared(source.read)
    first = asyncio.create_task(shared.get())
    await turns()
    source.value = 1
    others = [asyncio.create_task(shared.get()) for _ in range(100)]
    await turns()
    assert source.began == 1

    source.gate.release()
    source.gate.release()

    assert await first == 0
    assert set(await asyncio.gather(*others)) == {1}
    assert (source.began, source.most) == (2, 1)


async def test_nobody_is_told_what_was_before_they_asked() -> None:
    """A read that began earlier is not good enough."""
    source = Source()
    shared = Shared(source.read)
    early = asyncio.create_task(shared.get())
    await turns()
    source.value = 7
    late = asyncio.create_task(shared.get())
    await turns()
    source.gate.release()
    source.gate.release()

    assert (await early, await late) == (0, 7)


async def test_a_failure_is_shared() -> None:
    """And the next read is a new one."""
    source = Source()
    shared = Shared(source.read)
    first = asyncio.create_task(shared.get())
    await turns()
    asked = [asyncio.create_task(shared.get()) for _ in range(3)]
    await turns()
    source.failure = ConnectionError()
    source.gate.release()
    source.gate.release()

    outcomes = await asyncio.gather(first, *asked, return_exceptions=True)

    assert all(isinstance(outcome, ConnectionError) for outcome in outcomes)
    source.failure = None
    source.gate.release()
    assert await shared.get() == 0


async def test_who_gives_up_leaves_the_others_alone() -> None:
    """Also the one who was to read for all."""
    source = Source()
    shared = Shared(source.read)
    first = asyncio.create_task(shared.get())
    await turns()
    leader, follower, third = (asyncio.create_task(shared.get()) for _ in range(3))
    await turns()

    leader.cancel()
    third.cancel()
    await turns()
    source.gate.release()
    source.gate.release()

    assert await first == 0
    assert await follower == 0
    for gone in (leader, third):
        with pytest.raises(asyncio.CancelledError):
            await gone


async def test_who_gives_up_in_the_middle_of_the_read() -> None:
    """The others begin another."""
    source = Source()
    shared = Shared(source.read)
    blocker = asyncio.create_task(shared.get())
    await turns()
    leader, follower = (asyncio.create_task(shared.get()) for _ in range(2))
    await turns()
    source.gate.release()
    await turns()
    assert source.began == 2

    leader.cancel()
    await turns()
    source.gate.release()

    assert await blocker == 0
    assert await follower == 0
    assert source.began == 3
