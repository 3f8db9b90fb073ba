"""What the hub counts, as metrics.

Owns the step from the hub's events to core.telemetry. Does not own names of metrics. The hub is pure; this is where its
observer may look at the clock.
"""

from collections.abc import Callable, Sequence

import structlog

from chatcluster.connect.room import Item
from chatcluster.core import telemetry
from chatcluster.v1 import types_pb2 as pb

_log = structlog.get_logger()


class Observation:
    """The hub's observer. `time` is the wall clock, in seconds since 1970."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time

    def served(self, protocol: str, items: Sequence[Item], listeners: int) -> None:
        """Count publications by connection, and how old each was when it was written."""
        publications = [item for item in items if isinstance(item, pb.Publication)]
        if not publications:
            return
        telemetry.DELIVERIES_TOTAL.labels(protocol).inc(len(publications) * listeners)
        now = self._time()
        for publication in publications:
            telemetry.DELIVERY_LATENCY_SECONDS.observe(max(0.0, now - publication.time_ms / 1000))

    def missed(self, outcome: str) -> None:
        """Count what listeners were told that they missed."""
        telemetry.GAPS_TOTAL.labels(outcome).inc()

    def failed(self, item: Item, error: Exception) -> None:
        """Count and log an item that could not be encoded; never what was in it."""
        telemetry.REJECTED_TOTAL.labels("undecodable").inc()
        _log.error("item_not_encoded", kind=type(item).__name__, error=type(error).__name__)
