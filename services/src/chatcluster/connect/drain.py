"""How a gateway ends without anybody missing anything.

Owns the order: unready; accept nobody; close the clients' connections, spread over the window so that they do not all
reconnect at once; take the gateway off its rooms; give up the lease. Only after that may it stop answering Deliver, so
whoever is still connected is served to the last. Does not own the parts that do each step.
"""

import asyncio
import math
import random
from collections.abc import Callable

import structlog

from chatcluster.connect.connection import CLOSING_TIME, Connection
from chatcluster.connect.gateway import Gateway
from chatcluster.frames import disconnects

STEP = 0.1
"""Seconds between two rounds of closing."""
PACE = 100
"""Connections a second that are closed at least: a window for thousands is not spent on a few."""
FAREWELL = 5.0
"""Seconds to tell logic which rooms were left; after that the lease's end says the same."""

_log = structlog.get_logger()


async def drain(gateway: Gateway, window: float) -> None:
    """Do all of it; takes at most `window` + `CLOSING_TIME` + `FAREWELL` seconds and the time of one call."""
    _log.info("draining", connections=len(gateway.host.open))
    gateway.refuse_newcomers()
    await close_all(gateway.host.open, window, CLOSING_TIME)
    await _until(lambda: gateway.registrar.is_idle and gateway.presence.is_idle, FAREWELL)
    await gateway.retire()
    _log.info("drained")


async def close_all(connections: set[Connection], window: float, patience: float) -> None:
    """Close these, and whatever is added meanwhile, within the window; drop what has not ended `patience` s later."""
    waiting = list(connections)
    random.shuffle(waiting)
    rounds = max(1, math.ceil(min(window, len(waiting) / PACE) / STEP))
    share = math.ceil(len(waiting) / rounds)
    for number, connection in enumerate(waiting):
        connection.warn(STEP * (number // share))
    for start in range(0, len(waiting), share or 1):
        for connection in waiting[start : start + share]:
            connection.close(disconnects.RESTART)
        await asyncio.sleep(STEP)
    for connection in list(connections):
        connection.close(disconnects.RESTART)
    await _until(lambda: not connections, patience)
    for connection in list(connections):
        connection.drop(disconnects.RESTART)


async def _until(condition: Callable[[], bool], within: float) -> None:
    """Wait for the condition, or no longer."""
    for _ in range(math.ceil(within / STEP)):
        if condition():
            return
        await asyncio.sleep(STEP)
