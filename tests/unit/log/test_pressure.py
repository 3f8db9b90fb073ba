import asyncio
from collections.abc import Mapping

from chatcluster.core import errors
from chatcluster.log import pressure
from chatcluster.log.pressure import Pressure
from support.eventually import eventually


class Redis:
    """Two masters whose memory the test decides on, and a clock."""

    def __init__(self) -> None:
        self.time = 100.0
        self.used: Mapping[str, float] | None = {"a": 0.9, "b": 0.5}
        self.looks = 0

    def now(self) -> float:
        """The time."""
        return self.time

    async def look(self) -> Mapping[str, float]:
        """What they use."""
        self.looks += 1
        if self.used is None:
            raise errors.Unavailable
        return self.used


async def test_a_master_that_is_nearly_full_is_told() -> None:
    """Each by itself, and only above the fraction."""
    redis = Redis()
    watched = Pressure(redis.look, 0.85, redis.now)
    assert not watched.is_high("a")

    await watched.look_once()

    assert watched.is_high("a")
    assert not watched.is_high("b")
    assert not watched.is_high("unknown")
    redis.used = {"a": 0.85}
    await watched.look_once()
    assert not watched.is_high("a")


async def test_an_old_look_says_nothing() -> None:
    """While Redis does not answer, the last look stays for a few seconds."""
    redis = Redis()
    watched = Pressure(redis.look, 0.85, redis.now)
    await watched.look_once()
    redis.used = None
    redis.time += pressure.STALE_AFTER
    await watched.look_once()
    assert watched.is_high("a")

    redis.time += 0.1

    assert not watched.is_high("a")


async def test_it_looks_again_and_again() -> None:
    """As long as it is watched, whatever Redis does."""
    redis = Redis()
    redis.used = None
    watched = Pressure(redis.look, 0.85, redis.now)
    watching = asyncio.create_task(watched.watch())
    await eventually(lambda: redis.looks >= 2, within=10)

    watching.cancel()
