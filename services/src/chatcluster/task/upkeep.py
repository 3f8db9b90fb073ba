"""What a task does by the clock: the signs of life to gateways, and its metrics.

Owns their rhythm. Does not own what is said (dispatch) nor how much is waiting (the log).
"""

import asyncio

import structlog

from chatcluster.core import errors, telemetry
from chatcluster.log import log
from chatcluster.presence import presence
from chatcluster.task.dispatch import Dispatch
from chatcluster.task.worker import Follow

TICK = 5.0
"""Seconds between two batches of every shard to every gateway, empty ones included."""

_log = structlog.get_logger()


async def tick(presence: presence.Presence, dispatch: Dispatch, follow: Follow) -> None:
    """Every `TICK`: see who lives, and have a batch of every shard sent to each, for ever."""
    while True:
        try:
            live = await presence.gateways()
        except errors.Busy as exc:
            _log.warning("gateways_unknown", error=str(exc))
        else:
            dispatch.tick()
            follow(live)
        await asyncio.sleep(TICK)


async def measure(log: log.Log, dispatch: Dispatch, limits: log.Limits) -> None:
    """Every `TICK`: the backlog of the shards that this task owns, for ever."""
    telemetry.SHARDS.set(log.shards)
    shown: set[str] = set()
    while True:
        try:
            found = {str(shard): await log.backlog(shard) for shard in dispatch.shards}
        except errors.Busy as exc:
            _log.warning("backlog_unknown", error=str(exc))
        else:
            for shard in shown - found.keys():
                telemetry.DISPATCH_BACKLOG_ENTRIES.remove(shard)
                telemetry.DISPATCH_BACKLOG_SECONDS.remove(shard)
            _show(found, limits)
            shown = set(found)
        await asyncio.sleep(TICK)


def _show(found: dict[str, log.Backlog], limits: log.Limits) -> None:
    for shard, backlog in found.items():
        telemetry.DISPATCH_BACKLOG_ENTRIES.labels(shard).set(backlog.entries)
        telemetry.DISPATCH_BACKLOG_SECONDS.labels(shard).set(backlog.oldest_ms / 1000)
    fills = (max(b.entries / limits.dispatch_entries, b.bytes / limits.dispatch_bytes) for b in found.values())
    telemetry.DISPATCH_BACKLOG_FILL_RATIO.set(max(fills, default=0))
    telemetry.DEAD_LETTERS_HELD.set(sum(backlog.dead_letters for backlog in found.values()))
