"""Who waits for which answer.

Owns the keys of calls, and one future for each that is waited for; their number is bounded by the pipeline. Does not
own what is asked (client, pipeline).
"""

import asyncio
from typing import Any

from chatcluster.core import errors


class Asking:
    """The calls that somebody waits for."""

    def __init__(self) -> None:
        self._futures: dict[int, asyncio.Future[Any]] = {}
        self._last = 0

    def key(self) -> int:
        """A key for a call that is to be waited for."""
        self._last += 1
        return self._last

    async def wait(self, key: int) -> Any:
        """The answer of a call, or the error that it ended in."""
        answer = self._futures[key] = asyncio.get_running_loop().create_future()
        try:
            return await answer
        finally:
            del self._futures[key]

    def answer(self, key: int, value: Any) -> None:
        """A call ended well; nobody may wait for it any more."""
        answer = self._futures.get(key)
        if answer and not answer.done():
            answer.set_result(value)

    def fail(self, key: int, error: errors.ChatError) -> None:
        """A call ended in an error."""
        answer = self._futures.get(key)
        if answer and not answer.done():
            answer.set_exception(error)
