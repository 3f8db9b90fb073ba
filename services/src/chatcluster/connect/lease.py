"""The gateway's lease: under which incarnation it lives, and whether anybody counts on it.

Owns the incarnation and its renewal. Does not own what depends on it (hub, presence, Deliver): they are told. The
gateway judges its own lease by its own clock, counted from before the call that prolonged it, so that it gives up no
later than others do; a lease that lapsed never comes back, a new incarnation takes its place.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from chatcluster.connect.logic import Logic
from chatcluster.core import errors, health, telemetry
from chatcluster.core.ids import Incarnation

INTERVAL = 5.0
"""Seconds between two renewals; a lease lasts three of them."""
RETRY = 1.0
"""Seconds until a renewal that failed is repeated."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who has to know. Called from `Lease.run`, they must not wait."""

    replaced: Callable[[Incarnation], None]
    """The lease was lost; from now on the gateway is this incarnation."""
    another_died: Callable[[], None]
    """The lease of some other gateway has ended."""


class Lease:
    """A gateway's right to be counted. `run` has to run beside it."""

    def __init__(
        self,
        logic: Logic,
        new_incarnation: Callable[[], Incarnation],
        clock: Callable[[], float],
        dependency: health.Dependency,
    ) -> None:
        """`new_incarnation` makes one that never was; `clock` goes on while the process is stopped."""
        self._logic = logic
        self._new_incarnation = new_incarnation
        self._clock = clock
        self._dependency = dependency
        self._acquired = False
        self._until = 0.0
        self._live: frozenset[str] = frozenset()
        self.incarnation = new_incarnation()

    @property
    def is_held(self) -> bool:
        """Whether others count on this incarnation now."""
        return self._acquired and self._clock() < self._until

    async def run(self, address: str, listeners: Listeners) -> None:
        """Hold a lease for ever, under which the gateway is reached at `address` (host:port)."""
        while True:
            pause = await self.renew(address, listeners)
            await asyncio.sleep(pause)

    async def renew(self, address: str, listeners: Listeners) -> float:
        """Take or prolong the lease; returns the seconds until that is to be done again."""
        if self._acquired and not self.is_held:
            self._replace(listeners)
        asked = self._clock()
        try:
            response = await self._logic.renew_lease(self.incarnation, address, acquire=not self._acquired)
        except errors.ChatError as exc:
            self._dependency.lost(str(exc))
            return RETRY
        if not response.held:
            self._replace(listeners)
            return 0.0
        self._acquired, self._until = True, asked + response.ttl_ms / 1000
        self._dependency.reached()
        self._see(frozenset(response.live), listeners)
        return INTERVAL

    async def release(self) -> None:
        """Give it up; to be called when `run` does not run any more. Failing is no harm: it lapses."""
        try:
            await self._logic.release_lease(self.incarnation)
        except errors.ChatError as exc:
            _log.warning("lease_not_released", incarnation=self.incarnation, error=exc.code)

    def _replace(self, listeners: Listeners) -> None:
        telemetry.LEASES_LOST_TOTAL.inc()
        lost, self.incarnation = self.incarnation, self._new_incarnation()
        self._acquired = False
        _log.warning("lease_lost", incarnation=lost, now=self.incarnation)
        listeners.replaced(self.incarnation)

    def _see(self, live: frozenset[str], listeners: Listeners) -> None:
        if self._live - live - {self.incarnation}:
            listeners.another_died()
        self._live = live
