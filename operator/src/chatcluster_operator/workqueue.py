"""Which resources are to be looked at, and when.

Owns that each is looked at by one worker at a time; that whatever happens meanwhile has it looked at once more, and not
more often; and how long a failure is waited out. Does not own what looking means. The idea is client-go's
(https://pkg.go.dev/k8s.io/client-go/util/workqueue).

Bounds: it holds each key once, so it is never larger than the number of resources.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0

K = TypeVar("K", bound=Hashable)
Jitter = Callable[[float], float]


class WorkQueue(Generic[K]):
    """Keys to be looked at. `jitter` maps a delay in seconds to one near it."""

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._waiting: dict[K, None] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._woken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def wake(self, key: K) -> None:
        """Have it looked at as soon as a worker is free; once more, if it is being looked at now."""
        self._cancel(key)
        if key in self._working:
            self._again.add(key)
        else:
            self._waiting[key] = None
            self._woken.set()

    async def work(self, look: Callable[[K], Awaitable[None]]) -> None:
        """Look at one key after another, for ever. Several may do so at once.

        When `look` raises, it is called again after `FIRST_DELAY`, doubled with each failure in a row up to
        `LONGEST_DELAY`; what it raised it has told.
        """
        while True:
            key = await self._next()
            try:
                await look(key)
            except Exception:  # noqa: BLE001 - `look` has told of it; the queue only waits it out
                self._done(key)
                self._wake_later(key)
            else:
                self._failures.pop(key, None)
                self._done(key)

    async def _next(self) -> K:
        while not self._waiting:
            self._woken.clear()
            await self._woken.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._working.add(key)
        return key

    def _done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.wake(key)

    def _wake_later(self, key: K) -> None:
        """After a pause, or earlier if something happens meanwhile."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(FIRST_DELAY * 2 ** min(failures - 1, 16), LONGEST_DELAY)
        if key not in self._waiting:
            self._timers[key] = asyncio.get_running_loop().call_later(self._jitter(delay), self.wake, key)

    def _cancel(self, key: K) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
