"""A clock that runs only while this process does.

Owns the difference between "the gateway did not answer for 10 seconds" and "this task was stopped for 10 seconds". A
process that was stopped (SIGSTOP, a frozen container, a starved core) finds on its return that every deadline has
passed; by this clock hardly any time has.
"""

import asyncio
from collections.abc import Callable

STEP = 0.25
"""Seconds between two looks at the time."""


class RunningClock:
    """Seconds for which this process's loop has run; at most twice `STEP` for each step. `time` is monotonic."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._seen = time()
        self._ran = 0.0

    def __call__(self) -> float:
        """The seconds so far."""
        return self._ran + min(self._time() - self._seen, 2 * STEP)

    def look(self) -> None:
        """Count the time since the last look."""
        self._ran = self()
        self._seen = self._time()

    async def run(self) -> None:
        """Look every `STEP`, for ever."""
        while True:
            await asyncio.sleep(STEP)
            self.look()
