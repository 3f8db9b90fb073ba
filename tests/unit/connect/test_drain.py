import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from chatcluster.connect import drain
from chatcluster.frames import disconnects
from support.gateway import Rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


async def test_websockets_are_told_to_come_back(rig: Rig) -> None:
    """Each is closed with the code for a restart, and all are gone."""
    clients = [await rig.member("websocket", await rig.token(f"user {n}"), 1) for n in range(5)]
    draining = rig._spawn(drain.close_all(rig.host.open, 10.0, 5.0), "drain")
    for client in clients:
        await client.until_closed()
    await draining

    assert {client.code for client in clients} == {disconnects.RESTART.code}
    assert rig.hub.rooms == {}


async def test_closes_are_spread_over_the_window(rig: Rig) -> None:
    """Many do not come back in one moment; few are not kept waiting for the whole window."""
    many = [rig.client("tcp") for _ in range(100)]
    seen: list[int] = []

    async def watch() -> None:
        while rig.host.open:
            seen.append(sum(client.transport.ended for client in many))
            for client in many:
                if client.transport.ended:
                    client.transport.close()
            await asyncio.sleep(0.01)

    watching = rig._spawn(watch(), "watch")
    await drain.close_all(rig.host.open, 60.0, 5.0)
    await watching

    assert len(set(seen)) > 5
    assert max(b - a for a, b in itertools.pairwise(seen)) <= 20


async def test_what_does_not_end_is_dropped(rig: Rig) -> None:
    """A peer that does not answer keeps no gateway from ending."""
    stubborn = await rig.member("websocket", await rig.token("ann"), 1)
    await drain.close_all(rig.host.open, 0.0, 0.2)

    assert stubborn.transport.lost


async def test_nobody_to_close_takes_no_time(rig: Rig) -> None:
    """An empty gateway ends at once, whatever its window."""
    async with asyncio.timeout(1):
        await drain.close_all(rig.host.open, 3600.0, 5.0)
