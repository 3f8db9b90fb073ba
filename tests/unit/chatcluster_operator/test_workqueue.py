import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatcluster_operator import workqueue
from chatcluster_operator.workqueue import WorkQueue
from support.eventually import eventually


class Looking:
    """A queue, its workers, and what they look at. Delays are written down, and pass at once."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.queue = WorkQueue[str](self._pass)
        self.seen: list[str] = []
        self.open: set[str] = set()
        """Keys that are being looked at."""
        self.most = 0
        """Keys that were looked at at once, at most."""
        self.gate = asyncio.Event()
        self.gate.set()
        self.outcomes: dict[str, list[Exception | None]] = {}
        """What comes of looking at a key, one after the other; nothing bad when there are no more."""

    def _pass(self, delay: float) -> float:
        self.delays.append(delay)
        return 0.0

    async def look(self, key: str) -> None:
        """Look at a key for as long as the gate is closed."""
        assert key not in self.open
        self.open.add(key)
        self.seen.append(key)
        self.most = max(self.most, len(self.open))
        await self.gate.wait()
        self.open.discard(key)
        outcome = next(iter(self.outcomes.get(key, [])), None)
        self.outcomes[key] = self.outcomes.get(key, [])[1:]
        if outcome:
            raise outcome

    async def has_seen(self, *keys: str) -> None:
        """Wait until these keys were looked at, in this order, and nothing is left to be done."""
        await eventually(lambda: self.seen == list(keys) and not self.open and not len(self.queue), within=5)


@asynccontextmanager
async def working(looking: Looking, workers: int = 2) -> AsyncIterator[None]:
    """Look at what is woken, with so many workers."""
    tasks = [asyncio.create_task(looking.queue.work(looking.look)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended


async def test_keys_are_looked_at_in_the_order_in_which_they_came() -> None:
    """Each once, however often it was woken before."""
    looking = Looking()
    for key in "abab":
        looking.queue.wake(key)

    assert len(looking.queue) == 2
    async with working(looking, 1):
        await looking.has_seen("a", "b")


async def test_several_are_looked_at_at_once() -> None:
    """As many as there are workers; the others wait."""
    looking = Looking()
    looking.gate.clear()
    async with working(looking, 3):
        for key in "abcde":
            looking.queue.wake(key)
        await eventually(lambda: len(looking.open) == 3)
        waiting = len(looking.queue)
        looking.gate.set()
        await looking.has_seen(*"abcde")

    assert (looking.most, waiting) == (3, 2)


async def test_one_worker_at_a_time_looks_at_a_key() -> None:
    """Whatever happens meanwhile has it looked at once more, and not more often."""
    looking = Looking()
    looking.gate.clear()
    async with working(looking):
        looking.queue.wake("a")
        await eventually(lambda: looking.open == {"a"})
        for _ in range(5):
            looking.queue.wake("a")
        looking.gate.set()
        await looking.has_seen("a", "a")


async def test_what_ended_well_is_not_looked_at_again() -> None:
    """Until something happens, or the next sweep."""
    looking = Looking()
    async with working(looking):
        looking.queue.wake("a")
        await looking.has_seen("a")
        looking.queue.wake("b")
        await looking.has_seen("a", "b")

    assert looking.delays == []


async def test_failures_are_waited_out_longer_and_longer() -> None:
    """Doubled from half a second up to a minute; and from the beginning after one success."""
    looking = Looking()
    looking.outcomes["a"] = [*(RuntimeError() for _ in range(10)), None, RuntimeError()]
    async with working(looking):
        looking.queue.wake("a")
        await looking.has_seen(*itertools.repeat("a", 11))
        looking.queue.wake("a")
        await looking.has_seen(*itertools.repeat("a", 13))

    assert looking.delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 0.5]
    assert (workqueue.FIRST_DELAY, workqueue.LONGEST_DELAY) == (0.5, 60.0)


async def test_an_event_during_a_failure_is_looked_at_at_once() -> None:
    """It may be what was waited for; the failure counts all the same."""
    looking = Looking()
    looking.outcomes["a"] = [RuntimeError(), RuntimeError()]
    looking.gate.clear()
    async with working(looking):
        looking.queue.wake("a")
        await eventually(lambda: looking.open == {"a"})
        looking.queue.wake("a")
        looking.gate.set()
        await looking.has_seen("a", "a", "a")

    assert looking.delays == [1.0]


async def test_failures_of_one_key_are_not_those_of_another() -> None:
    """Nor do they keep anybody from being looked at."""
    looking = Looking()
    looking.outcomes |= {"a": [RuntimeError(), RuntimeError()], "b": [RuntimeError()]}
    async with working(looking, 1):
        looking.queue.wake("a")
        looking.queue.wake("b")
        await eventually(lambda: sorted(looking.seen) == ["a", "a", "a", "b", "b"])

    assert sorted(looking.delays) == [0.5, 0.5, 1.0]


async def test_a_thousand_failures_do_not_overflow() -> None:
    """A resource may stay broken for years."""
    looking = Looking()
    looking.outcomes["a"] = [RuntimeError() for _ in range(1100)]
    async with working(looking, 1):
        looking.queue.wake("a")
        await eventually(lambda: len(looking.seen) == 1101)

    assert set(looking.delays[7:]) == {workqueue.LONGEST_DELAY}


async def test_an_event_cuts_a_delay_short() -> None:
    """And takes its place: the key is not looked at once more when the delay is over."""
    loop, seen, delays = asyncio.get_running_loop(), list[str](), {"a": 0.3, "b": 0.4}

    def pause(_: float) -> float:
        if seen == ["a"]:
            loop.call_soon(queue.wake, "a")
        return delays[seen[-1]]

    async def look(key: str) -> None:
        seen.append(key)
        if seen.count(key) == 1:
            raise RuntimeError

    queue = WorkQueue[str](pause)
    queue.wake("a")
    task = asyncio.create_task(queue.work(look))
    await eventually(lambda: seen == ["a", "a"])
    queue.wake("b")
    await eventually(lambda: seen.count("b") == 2)  # which is later than the delay that was cut short
    task.cancel()

    assert seen == ["a", "a", "b", "b"]
