"""Turns: how many do the same thing at once, and how long others wait for theirs.

Owns when somebody who waits is told that it is no use. Does not own what is done. It lives in core because every
program calls others. Without a bound in time a line that is once longer than people's patience never becomes useful
again: all that is done is done for somebody who has given up and asked anew.
"""

import asyncio

from chatcluster.core import errors, telemetry


class Turns:
    """At most `at_once` have a turn. Who waited `patience` seconds for one is refused as busy, and so is at once who
    finds `line` others waiting. To be used as an async context, by many at a time.
    """

    def __init__(self, at_once: int, patience: float, line: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._patience = patience
        self._line = line
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._free.locked():
            await self._wait()
        else:
            await self._free.acquire()  # at once

    async def __aexit__(self, *_: object) -> None:
        self._free.release()

    async def _wait(self) -> None:
        if self._waiting >= self._line:
            raise self._refusal("too many wait for their turn")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError as exc:
            raise self._refusal("too many at once") from exc
        finally:
            self._waiting -= 1

    @staticmethod
    def _refusal(why: str) -> errors.Busy:
        telemetry.REJECTED_TOTAL.labels("turns").inc()
        return errors.Busy(why, retry_after=1)
