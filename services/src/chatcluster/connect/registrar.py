"""Makes the calls that the hub asks for.

Owns the calls under way; how many there may be is the hub's to say. Does not own what is asked, or when (hub).
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from chatcluster.connect.hub import Hub
from chatcluster.connect.logic import Logic
from chatcluster.connect.registrations import Registration, Unregistration
from chatcluster.core import errors, telemetry
from chatcluster.core.ids import RoomName

_log = structlog.get_logger()


class Registrar:
    """Between hub and logic. `run` has to run beside it."""

    def __init__(
        self,
        hub: Hub,
        logic: Logic,
        clock: Callable[[], float],
        registered: Callable[[Mapping[RoomName, str]], None],
    ) -> None:
        """`registered` is told which rooms were registered just now, and for which reason."""
        self._hub = hub
        self._logic = logic
        self._clock = clock
        self._registered = registered
        self._changed = asyncio.Event()
        self._under_way = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked and nothing is left to ask."""
        return self._under_way == 0 and self._hub.next_due() is None

    def wake(self) -> None:
        """Look now: rooms were entered or left, or something was delivered."""
        self._changed.set()

    async def run(self) -> None:
        """Serve the hub for ever."""
        async with asyncio.TaskGroup() as calls:
            while True:
                self._changed.clear()
                for call in self._hub.work(self._clock()):
                    self._under_way += 1
                    calls.create_task(self._make(call))
                await self._wait()

    async def _wait(self) -> None:
        due = self._hub.next_due()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _make(self, call: Registration | Unregistration) -> None:
        try:
            if isinstance(call, Registration):
                await self._register(call)
            else:
                await self._logic.unregister(call.request())
                self._hub.unregistered()
        except errors.ChatError as exc:
            _log.warning("rooms_not_registered", kind=type(call).__name__, error=exc.code)
            self._hub.failed(call, self._clock())
        finally:
            self._under_way -= 1
            self._changed.set()

    async def _register(self, call: Registration) -> None:
        answers = await self._logic.register(call.request())
        if len(answers) != len(call.reads):
            raise errors.ChatError("logic answered for other rooms than it was asked for")
        for reason in call.reasons:
            telemetry.REGISTRATIONS_TOTAL.labels(reason).inc()
        rooms = self._hub.registered(call, answers, self._clock())
        reasons = {read.room: reason for read, reason in zip(call.reads, call.reasons, strict=True)}
        self._registered({room: reasons[room] for room in rooms})
