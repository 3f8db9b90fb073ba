import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chatcluster.core import errors
from chatcluster.logic import passwords
from support.domain import CHEAP


@contextmanager
def _hashing(queue: int) -> Iterator[tuple[passwords.Passwords, threading.Event]]:
    """Passwords whose only thread is kept from working until the event is set."""
    found = passwords.Passwords(passwords.Cost(memory=8, passes=1, threads=1, queue=queue))
    release = threading.Event()
    found._threads.submit(release.wait)
    try:
        yield found, release
    finally:
        release.set()
        found.close()


async def test_a_password_matches_its_own_hash_only(cheap: passwords.Passwords) -> None:
    """Another password does not match, and the hash is argon2id."""
    hashed = await cheap.hash("correct horse")

    assert hashed.startswith("$argon2id$")
    assert await cheap.matches(hashed, "correct horse")
    assert not await cheap.matches(hashed, "Correct horse")


async def test_two_hashes_of_a_password_differ(cheap: passwords.Passwords) -> None:
    """Each has its own salt."""
    assert await cheap.hash("same") != await cheap.hash("same")


async def test_nothing_matches_without_a_hash(cheap: passwords.Passwords) -> None:
    """Not even the password of the hash that is verified instead."""
    assert not await cheap.matches(None, "nobody has this password")


async def test_a_match_without_a_hash_is_work_all_the_same() -> None:
    """An unknown name waits for a thread like a known one."""
    with _hashing(queue=0) as (hashes, release):
        waiting = asyncio.create_task(hashes.matches(None, "any"))
        await asyncio.sleep(0)
        with pytest.raises(errors.Busy):
            await hashes.hash("next")
        release.set()

        assert not await waiting


async def test_beyond_the_queue_it_is_busy() -> None:
    """One hash in the thread and `queue` waiting; the next one is refused, and those before it still get done."""
    with _hashing(queue=1) as (hashes, release):
        accepted = [asyncio.create_task(hashes.hash(name)) for name in ("one", "two")]
        await asyncio.sleep(0)
        with pytest.raises(errors.Busy) as busy:
            await hashes.hash("three")
        release.set()

        assert busy.value.retry_after
        assert len(await asyncio.gather(*accepted)) == 2


async def test_a_caller_who_leaves_makes_room() -> None:
    """The place of a cancelled call is free again."""
    with _hashing(queue=0) as (hashes, release):
        left = asyncio.create_task(hashes.hash("left"))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        release.set()

        assert await hashes.hash("next")


async def test_a_hash_at_another_cost_is_outdated(cheap: passwords.Passwords) -> None:
    """What was hashed before the cost changed shows."""
    stronger = passwords.Passwords(passwords.Cost(memory=16, passes=1))
    hashed = await cheap.hash("password")
    stronger_outdated = stronger.is_outdated(hashed)
    stronger.close()

    assert stronger_outdated
    assert not cheap.is_outdated(hashed)


def test_the_cost_is_what_owasp_asks_for() -> None:
    """19 MiB and two passes, unless a setting says otherwise."""
    cost = passwords.Cost()

    assert (cost.memory, cost.passes) == (19_456, 2)
    assert cost != CHEAP
