"""The calls to gateways: one at a time to each, as long as its incarnation lives.

Owns attempts, their deadlines and the pauses between them. Does not own what is said nor what a missing answer means
(dispatch). A gateway that hangs holds its own caller and nobody else.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog

from chatcluster.core import errors, rpc, telemetry
from chatcluster.core.ids import Incarnation, ShardId
from chatcluster.task.dispatch import Dispatch
from chatcluster.task.lane import Flight

PAUSES = (0.05, 1.0)
"""Seconds between two attempts at one call: the first pause and the longest."""
SILENT_PAUSE = 1.0
"""Seconds until a gateway that was passed over is tried again."""

_log = structlog.get_logger()


class Callers:
    """Says to every living gateway what dispatch has for it.

    `settled` is told the shards whose cursors may move after an answer or a passing over. `clock` is a `RunningClock`.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        secret: str,
        attempt: float,
        clock: Callable[[], float],
        settled: Callable[[Iterable[ShardId]], None],
    ) -> None:
        self._dispatch = dispatch
        self._secret = secret
        self._attempt = attempt
        self._clock = clock
        self._settled = settled
        self._wakes: dict[Incarnation, asyncio.Event] = {}
        self._tasks: dict[Incarnation, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Keep a caller for each lane that `follow` was told of, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    def follow(self, live: Mapping[Incarnation, str]) -> None:
        """Have a lane and a caller for each living incarnation and for no other, and wake all callers.

        Nothing waits any more for a gateway that is gone, so all cursors may move then. Before `run` there are no
        callers: the next `follow` makes them.
        """
        self._dispatch.follow(live)
        gone = self._tasks.keys() - live.keys()
        for incarnation in gone:
            self._tasks.pop(incarnation).cancel()
            del self._wakes[incarnation]
        if gone:
            self._settled(self._dispatch.shards)
        if self._group is not None:
            for incarnation in live.keys() - self._tasks.keys():
                self._wakes[incarnation] = asyncio.Event()
                self._tasks[incarnation] = self._group.create_task(self._call_for_ever(incarnation, live[incarnation]))
        for wake in self._wakes.values():
            wake.set()

    async def _call_for_ever(self, incarnation: Incarnation, address: str) -> None:
        endpoint = rpc.Endpoint(address, rpc.CONNECT, self._secret)
        wake = self._wakes[incarnation]
        try:
            while True:
                flight = self._dispatch.depart(incarnation)
                if flight is None:
                    wake.clear()
                    await wake.wait()
                elif not await self._land(endpoint, incarnation, flight):
                    await asyncio.sleep(SILENT_PAUSE)
        finally:
            await endpoint.close()

    async def _land(self, endpoint: rpc.Endpoint, incarnation: Incarnation, flight: Flight) -> bool:
        """Repeat a call until it is answered (True) or the gateway is passed over (False)."""
        pause = PAUSES[0]
        while True:
            began = self._clock()
            try:
                answer = await endpoint.call("Deliver", flight.request, timeout=self._attempt)
            except errors.ChatError as exc:
                if not self._failed(incarnation, flight, began, exc):
                    return False
            else:
                self._answered(incarnation, flight, answer.failed)
                return True
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSES[1])

    def _answered(self, incarnation: Incarnation, flight: Flight, failed: int) -> None:
        if failed:
            _log.warning("items_failed", gateway=incarnation, items=failed)
        self._settled(self._dispatch.answered(incarnation, flight))

    def _failed(self, incarnation: Incarnation, flight: Flight, began: float, error: errors.ChatError) -> bool:
        """Whether the call is to be repeated; if not, the gateway is passed over."""
        known = self._dispatch.is_passed_over(incarnation)
        if isinstance(error, errors.Superseded):
            self._dispatch.refused(incarnation, flight, self._clock())
        elif self._dispatch.failed(incarnation, flight, began, self._clock()):
            return True
        if not known:
            _log.warning("gateway_passed_over", gateway=incarnation, error=str(error))
            self._settled(self._dispatch.shards)
        return False


class Observation:
    """Dispatch's observer, as metrics."""

    def passed_over(self, reason: str) -> None:
        """Count a gateway that was passed over, and a lane that overflowed."""
        telemetry.GATEWAYS_PASSED_OVER_TOTAL.labels(reason).inc()
        if reason == "overflow":
            telemetry.LANE_OVERFLOWS_TOTAL.inc()

    def dropped(self, ephemerals: int) -> None:
        """Count ephemerals that were left out of a lane."""
        telemetry.EPHEMERALS_DROPPED_TOTAL.inc(ephemerals)
