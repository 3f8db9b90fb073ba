"""The synthetic user on a real system: whatever is taken away is named, and forgotten once it is back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatcluster.client.answers import Opened
from chatcluster.client.rest import Rest
from chatcluster.core import errors
from chatcluster.synthetic.settings import Settings
from support.canaries import PASSWORD
from support.eventually import eventually
from support.system import Process, System, running

WITHIN = 30.0
"""Seconds for the verdict to turn."""
INTERVAL = {"CHATCLUSTER_SYNTHETIC_INTERVAL": "1"}
"""A fifth of the default: the rounds that it takes to turn are as many, and the tests are sooner over."""


@pytest.fixture(name="small")
async def _small(tmp_path: Path) -> AsyncIterator[System]:
    """Yield a system in which each part is there once, but for the gateways."""
    async with running(tmp_path / "system", counts=(1, 1, 2, 1)) as system:
        yield system


async def says(user: Process, culprit: str = "") -> None:
    """Wait until the verdict names a culprit, or is that messages are delivered."""

    async def look() -> bool:
        verdict = await user.document("/verdict")
        assert verdict["delivering"] is (not culprit), verdict
        assert verdict["message"].startswith(f"{culprit}: " if culprit else ""), verdict
        return True

    await eventually(look, within=WITHIN, every=0.2, what=f"verdict: {culprit or 'all is well'}")


async def hears(user: Process, gateways: int) -> None:
    """Wait until messages are expected of so many gateways, and arrive."""
    await says(user)

    async def look() -> bool:
        return await user.metric("chat_synthetic_gateways") == gateways

    await eventually(look, within=WITHIN, every=0.2, what=f"{gateways} gateways are heard")


async def test_each_part_that_hangs_is_named(small: System) -> None:
    """Within 30 s; and when it goes on all is well again."""
    user = await small.add_synthetic(**INTERVAL)
    await hears(user, 2)
    gateway = f"gateway 127.0.0.1:{small.connect[1].ports['websocket']}"
    for culprit, hung in (
        ("task", small.task[0]),
        (gateway, small.connect[1]),
        ("logic", small.logic[0]),
        ("Redis", small.redis),
        ("api", small.api[0]),
    ):
        hung.pause()
        await says(user, culprit)
        hung.resume()
        await says(user)

    assert await user.metric("chat_synthetic_up") == 5
    assert await user.metric("chat_synthetic_gateways") == 2
    for outcome in ("ok", "refused", "lost"):
        assert await user.metric("chat_synthetic_messages_total", outcome=outcome) > 1
    assert await user.metric("chat_synthetic_latency_seconds_count") > 1


async def test_each_part_that_is_gone_is_named(small: System) -> None:
    """Likewise for what was killed, and for a Redis that is full: that one is to blame, and not logic."""
    user = await small.add_synthetic(**INTERVAL)
    await hears(user, 2)
    gateway = f"gateway 127.0.0.1:{small.connect[0].ports['websocket']}"
    for culprit, gone in ((gateway, small.connect[0]), ("logic", small.logic[0]), ("api", small.api[0])):
        await gone.kill()
        await says(user, culprit)
        await gone.start()
        await says(user)

    async with small.redis.client() as redis:
        await redis.config_set("maxmemory", "1")
        await says(user, "Redis")
        await redis.config_set("maxmemory", "0")
        await says(user)


async def test_an_account_is_found_again(small: System) -> None:
    """Starts make one account and leave no session behind; one that Redis has lost is made again."""
    user = await small.add_synthetic(**INTERVAL)
    await says(user)
    first = await logged_in(small)
    assert first
    await user.restart()
    await says(user)
    await user.stop()

    async with Rest(small.api_url, first.token) as rest:
        sessions = await rest.call("GET", "/v1/sessions")
    assert len(sessions["sessions"]) == 1

    await user.start()
    await says(user)
    async with small.redis.client() as redis:
        await redis.flushall()
    # Each look costs as much as a login does.
    await eventually(lambda: logged_in(small), within=2 * WITHIN, every=3, what="an account of the same name")
    await says(user)


async def logged_in(system: System) -> Opened | None:
    """Log in as the synthetic user; None if there is no such account."""
    async with Rest(system.api_url) as rest:
        try:
            return await rest.log_in(Settings(system.api_url, PASSWORD).name, PASSWORD)
        except errors.WrongCredentials:
            return None
