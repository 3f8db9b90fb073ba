"""One read for all who want it at the same time.

Owns the rule under which a read may be shared: it must begin after everyone who gets its answer asked. So at most one
read is under way and one more waits, however many ask; and nobody is told what was true before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class _Abandoned(Exception):
    """Who was to do the read for all gave up."""


class Shared(Generic[_T]):
    """Shares the answers of `read`. A failure is shared as well."""

    def __init__(self, read: Callable[[], Awaitable[_T]]) -> None:
        self._read = read
        self._reading = asyncio.Lock()
        self._next: asyncio.Future[_T] | None = None

    async def get(self) -> _T:
        """The answer of a read that begins after this call."""
        while self._next is not None:
            try:
                return await asyncio.shield(self._next)
            except _Abandoned:
                continue
        return await self._lead()

    async def _lead(self) -> _T:
        """Do the read for all who come before it begins."""
        mine = self._next = asyncio.get_running_loop().create_future()
        try:
            async with self._reading:
                self._next = None
                answer = await self._read()
        except BaseException as exc:
            self._next = None if self._next is mine else self._next
            mine.set_exception(exc if isinstance(exc, Exception) else _Abandoned())
            mine.exception()  # nobody else may be waiting, which is no reason for a warning
            raise
        mine.set_result(answer)
        return answer
