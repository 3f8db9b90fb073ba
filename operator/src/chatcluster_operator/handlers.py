"""kopf's part: it watches the ChatClusters, and says of each event only whose it is.

Owns kopf's settings, its one handler, and the thread that it runs in: in the main thread it would take the signals.
`on.event` leaves no finalizer and no annotation on a resource, and sees every change; create and update handlers would
be told of edges, and what is lost between two of them is lost (https://docs.kopf.dev/en/stable/critiques/).
"""

import asyncio
import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import kopf
import structlog

from chatcluster_operator import names
from chatcluster_operator.watching import Owner

_log = structlog.get_logger()


class Follower:
    """Follows the ChatClusters. Calls `wake` and, when it ends for whatever reason, `ended` in a thread of its own."""

    def __init__(self, namespaces: Sequence[str], wake: Callable[[Owner], None], ended: Callable[[], None]) -> None:
        """`namespaces`: those to watch; none: all."""
        self._namespaces = namespaces
        self._registry = _registry(wake)
        self._ended = ended
        self._stop = threading.Event()
        self.failed = False
        """It ended without being asked to."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="kopf")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Have it end, and wait so many seconds for that. Blocks. What is left then ends with the process."""
        self._stop.set()
        self._thread.join(grace)

    def _run(self) -> None:
        identity: Any = names.FIELD_MANAGER  # without one kopf asks for the user's name, which a pod's user has not
        try:
            asyncio.run(
                kopf.operator(
                    registry=self._registry,
                    standalone=True,
                    identity=identity,
                    clusterwide=not self._namespaces,
                    namespaces=self._namespaces,
                    stop_flag=self._stop,
                )
            )
        except Exception:  # noqa: BLE001 - the edge of a thread: the program ends with exit code 1
            _log.exception("kopf_failed")
        finally:
            self.failed = not self._stop.is_set()
            self._ended()


def _registry(wake: Callable[[Owner], None]) -> kopf.OperatorRegistry:
    handlers = kopf.get_default_registry()

    @kopf.on.startup(registry=handlers)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        """Set what kopf leaves open and what would hurt here."""
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.persistence.finalizer = f"{names.GROUP}/finalizer"  # never used, and never changed if it ever is
        settings.watching.server_timeout = 300
        settings.watching.client_timeout = 330
        settings.watching.connect_timeout = 10
        settings.networking.request_timeout = 30
        settings.networking.connect_timeout = 10
        settings.networking.error_backoffs = _Backoffs()
        settings.process.ultimate_exiting_timeout = None

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=handlers)
    async def changed(namespace: str | None, name: str | None, **_: Any) -> None:
        """Something happened to a ChatCluster: look."""
        wake((namespace or "", name or ""))

    return handlers


class _Backoffs:
    """Seconds between attempts to reach the API server, for ever; with jitter, up to half a minute."""

    def __iter__(self) -> Iterator[float]:
        steps = itertools.chain((0.5, 1, 2, 4, 8, 16), itertools.repeat(30))
        return (step * random.uniform(0.5, 1) for step in steps)  # noqa: S311 - jitter
