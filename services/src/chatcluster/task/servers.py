"""What the Redis masters say of themselves, as metrics.

Owns which of their figures are shown, and their rhythm. Task shows them, because it looks after what Redis holds
anyway; every task does, so that the figures stay when one goes. Redis needs no exporter of its own for that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from chatcluster.core import errors, telemetry

TICK = 5.0
"""Seconds between two looks."""
SECTIONS = ("server", "clients", "memory", "persistence", "stats", "cpu")

Info = Mapping[str, Any]
Look = Callable[..., Awaitable[Mapping[str, Info]]]
"""Asks every master for these sections of its INFO; by the master's name."""


def _cpu_seconds(info: Info) -> float:
    """Of the main thread, where the system counts threads apart (Linux); else of the whole process."""
    return float(sum(info.get(f"{name}_main_thread", info[name]) for name in ("used_cpu_user", "used_cpu_sys")))


_GAUGES: Mapping[Gauge, Callable[[Info], float]] = {
    telemetry.REDIS_UPTIME_SECONDS: lambda info: info["uptime_in_seconds"],
    telemetry.REDIS_CLIENTS: lambda info: info["connected_clients"],
    telemetry.REDIS_MEMORY_USED_BYTES: lambda info: info["used_memory"],
    telemetry.REDIS_AOF_ENABLED: lambda info: info["aof_enabled"],
    telemetry.REDIS_AOF_BYTES: lambda info: info.get("aof_current_size", 0),
    telemetry.REDIS_AOF_LAST_WRITE_OK: lambda info: info["aof_last_write_status"] == "ok",
    telemetry.REDIS_AOF_LAST_REWRITE_OK: lambda info: info["aof_last_bgrewrite_status"] == "ok",
}
_COUNTERS: Mapping[Counter, Callable[[Info], float]] = {
    telemetry.REDIS_COMMANDS_TOTAL: lambda info: info["total_commands_processed"],
    telemetry.REDIS_CPU_SECONDS_TOTAL: _cpu_seconds,
}
_LIMITS = (telemetry.REDIS_MEMORY_LIMIT_BYTES, telemetry.REDIS_MEMORY_USABLE_BYTES)

_log = structlog.get_logger()


async def measure(look: Look, memory_fraction: float) -> None:
    """Every `TICK`, for ever. While Redis is away nothing is shown: old figures would pass for new ones.

    `memory_fraction` is the part of its maxmemory at which publishing is refused.
    """
    servers = Servers(memory_fraction)
    while True:
        try:
            found = await look(*SECTIONS)
        except errors.Busy as exc:
            _log.warning("servers_unknown", error=str(exc))
            found = {}
        servers.show(found)
        await asyncio.sleep(TICK)


class Servers:
    """The masters that are shown."""

    def __init__(self, memory_fraction: float) -> None:
        self._memory_fraction = memory_fraction
        self._shown: Mapping[str, Info] = {}

    def show(self, found: Mapping[str, Info]) -> None:
        """Show these and no others."""
        for node in self._shown.keys() - found.keys():
            for metric in (*_GAUGES, *_COUNTERS, *_LIMITS):
                metric.remove(node)
        for node, info in found.items():
            self._show(node, info)
        self._shown = found

    def _show(self, node: str, info: Info) -> None:
        for gauge, figure in _GAUGES.items():
            gauge.labels(node).set(figure(info))
        before = self._shown.get(node)
        for counter, figure in _COUNTERS.items():
            # Another server under the same name, started anew or taken over to, has counted what nobody can tell apart.
            is_same = before is not None and before["run_id"] == info["run_id"]
            counter.labels(node).inc(figure(info) - figure(before) if is_same and before else 0.0)
        if info["maxmemory"]:
            telemetry.REDIS_MEMORY_LIMIT_BYTES.labels(node).set(info["maxmemory"])
            telemetry.REDIS_MEMORY_USABLE_BYTES.labels(node).set(info["maxmemory"] * self._memory_fraction)
        else:
            for limit in _LIMITS:
                limit.remove(node)
