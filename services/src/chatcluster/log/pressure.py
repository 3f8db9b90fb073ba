"""How full the memory of Redis is.

Owns a look at every master once a second, and whether publishing has to stop. Not part of the publish script, since the
look costs more than the publish. A look that is too old says nothing: then only Redis itself can refuse.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from chatcluster.core import errors

INTERVAL = 1.0
"""Seconds between two looks."""
STALE_AFTER = 5.0
"""Seconds after which a look says nothing any more."""


class Pressure:
    """What was last seen. `look` is the part of its maxmemory that each master uses; `now` a clock in seconds."""

    def __init__(
        self, look: Callable[[], Awaitable[Mapping[str, float]]], fraction: float, now: Callable[[], float]
    ) -> None:
        self._look = look
        self._fraction = fraction
        self._now = now
        self._seen: Mapping[str, float] = {}
        self._seen_at = float("-inf")

    def is_high(self, node: str) -> bool:
        """Whether this master uses more than the fraction."""
        is_fresh = self._now() - self._seen_at <= STALE_AFTER
        return is_fresh and self._seen.get(node, 0) > self._fraction

    async def look_once(self) -> None:
        """Look; when Redis does not answer, the last look stays and grows old."""
        began = self._now()
        try:
            self._seen = await self._look()
        except errors.ChatError:
            return
        self._seen_at = began

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            await self.look_once()
            await asyncio.sleep(INTERVAL)
