"""The directory port over Kubernetes: a list and a watch of a Service's EndpointSlices.

Owns when to list, from where to watch on, how long to pause after a failure, and what is told of it. Does not own the
requests (apiserver) nor for how long an endpoint outlives its mention (view).

A watch goes on from the version that the last one came to. Everything is listed anew when that version is worth nothing
(410, an event that cannot be read), and after half an hour in any case: whatever was missed, and whether or not anybody
saw it happen, is put right then.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Self

import structlog

from chatcluster.core import health, telemetry
from chatcluster.directory import apiserver, wire
from chatcluster.directory.settings import Settings
from chatcluster.directory.slices import Endpoint, EndpointSlice
from chatcluster.directory.view import View

WATCH_SECONDS = (240, 300)
"""How long one watch is asked for: at least and at most."""
LIST_EVERY = 1800.0
"""Seconds after which everything is listed again although the watch seems well."""
PAUSES = (0.5, 30.0)
"""Seconds until the next attempt: at most the first after one that brought something, or that lasted as long as the
second; doubled by each other one, to at most the second.
"""

_log = structlog.get_logger()


class KubernetesDirectory:
    """The endpoints of a Service, as its EndpointSlices have them. `follow` has to run beside it.

    After the first list it is never empty because of a failure: what was known stays.
    """

    def __init__(
        self,
        settings: Settings,
        patience: apiserver.Patience,
        view: View,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """`clock` never goes back; `chance` gives a number from 0 to 1, for jitter."""
        self._settings = settings
        self._patience = patience
        self._view = view
        self._clock = clock
        self._chance = chance
        self._changed = asyncio.Event()
        self._known: frozenset[str] = frozenset()
        self._version = ""
        self._stale: str | None = "start"
        """Why everything has to be listed, if it has."""
        self._listed_at = self._heard_at = clock()
        self._fruitless = 0

    @classmethod
    def from_env(cls, environ: Mapping[str, str], part: str, *, staying: bool = False) -> Self:
        """Read what `Settings.from_env` reads. Raises `WrongSetting`.

        Whoever looks for the endpoints that stay judges them: one that has gone is not kept.
        """
        settings = Settings.from_env(environ, part, staying=staying)
        view = View(keep=0) if staying else View()
        return cls(settings, apiserver.Patience(), view, time.monotonic, random.random)

    def endpoints(self) -> frozenset[str]:
        """What is known now; nothing before the first list."""
        return self._view.addresses(self._clock())

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """What is known now, and again whenever that changes."""
        told: frozenset[str] | None = None
        while True:
            changed, known = self._changed, self.endpoints()
            if known != told:
                told = known
                yield known
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._view.expires_in(self._clock())):
                        await changed.wait()

    async def follow(self, readiness: health.Readiness) -> None:
        """List and watch, until cancelled. Readiness waits for the first list."""
        dependency = readiness.dependency("directory")
        service = self._settings.target.service
        telemetry.DIRECTORY_ENDPOINTS.labels(service).set_function(lambda: len(self.endpoints()))
        telemetry.DIRECTORY_WATCH_AGE_SECONDS.labels(service).set_function(lambda: self._clock() - self._heard_at)
        while True:
            began = self._clock()
            try:
                await self._look(dependency)
            except wire.Failed as failure:
                self._failed(failure, dependency)
            await asyncio.sleep(self._pause(self._clock() - began))

    async def _look(self, dependency: health.Dependency) -> None:
        """List if that is needed, and watch until the watch ends. Raises `wire.Failed`."""
        settings = self._settings
        async with apiserver.connection(settings.target, settings.account, self._patience) as connection:
            if self._stale or self._clock() - self._listed_at >= LIST_EVERY:
                await self._list(connection, self._stale or "age")
                dependency.reached()
            shortest, longest = WATCH_SECONDS
            seconds = round(shortest + (longest - shortest) * self._chance())
            async with connection.watch(self._version, seconds) as events:
                self._heard_at = self._clock()
                dependency.reached()
                async for event in events:
                    self._take(event)

    async def _list(self, connection: apiserver.Connection, why: str) -> None:
        slices, version = await connection.list_all()
        self._heard_at = self._listed_at = self._clock()
        self._view.replace({name: self._of_slice(one) for name, one in slices.items()}, self._heard_at)
        self._version, self._stale = version, None
        telemetry.DIRECTORY_LISTS_TOTAL.labels(why).inc()
        self._tell()

    def _take(self, event: wire.Event) -> None:
        self._heard_at = self._clock()
        self._version, self._fruitless = event.version, 0
        match event.type:
            case "ADDED" | "MODIFIED":
                self._view.put(event.slice.metadata.name, self._of_slice(event.slice), self._heard_at)
            case "DELETED":
                self._view.put(event.slice.metadata.name, frozenset(), self._heard_at)
            case _:
                self._view.heard(self._heard_at)
        self._tell()

    def _of_slice(self, found: EndpointSlice) -> frozenset[Endpoint]:
        port = self._settings.port
        return found.staying(port) if self._settings.staying else found.serving(port)

    def _tell(self) -> None:
        """Wake who waits for changes. What runs out by itself they find out by themselves."""
        known = self.endpoints()
        if known != self._known:
            service = self._settings.target.service
            _log.info("endpoints_changed", service=service, known=len(known), new=len(known - self._known))
            self._known = known
        self._changed.set()
        self._changed = asyncio.Event()

    def _failed(self, failure: wire.Failed, dependency: health.Dependency) -> None:
        if failure.stale and self._stale is None:
            self._stale = failure.reason
        telemetry.DIRECTORY_ERRORS_TOTAL.labels(failure.reason).inc()
        if failure.reason is wire.Reason.STALLED:
            return  # perhaps there was nothing to say: the next attempt finds out
        _log.warning("endpoints_not_followed", service=self._settings.target.service, error=str(failure))
        dependency.lost(str(failure))

    def _pause(self, lasted: float) -> float:
        first, longest = PAUSES
        if lasted >= longest:
            self._fruitless = 0
        pause = min(first * 2.0**self._fruitless, longest)
        self._fruitless = min(self._fruitless + 1, 30)
        return pause * (0.5 + 0.5 * self._chance())
