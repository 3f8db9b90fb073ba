"""A view of all children, kept by one list and watch for each kind.

Owns the threads that watch, and the store that they fill. Does not own what a change leads to: it only says whose child
changed. kopf watches the ChatClusters themselves; children are watched here, because the API server has to filter them
by label, and kopf filters after it got them all.

A view holds what the API server had, in order. While a watch cannot be made it stays as it was. A watch that is silent
looks like one with nothing to say, and nobody sees an event that was never sent: so everything is listed anew once in a
while, which is how long a view can be wrong. What a list finds unchanged wakes nobody.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import math
import random
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import structlog

from chatcluster_operator import errors, kinds, kube, names, telemetry
from chatcluster_operator.kinds import Kind
from chatcluster_operator.names import Manifest

Owner = tuple[str, str]
"""Namespace and name of a ChatCluster."""
Place = tuple[Owner, tuple[str, str]]
"""Whose an object is, its kind and its name."""
Version = tuple[str, str]
"""The id of an object, and its resourceVersion."""

_RELIST = (0.75, 0.95)
"""When everything is listed anew, as a part of the resync interval: drawn from this, so that not all are at once."""
_PAUSES = (0.5, 30.0)
"""Seconds until a failed watch is made anew: the first pause and the longest."""
_COUNTED = {"Deployment"}
"""Where it matters who set the number of replicas; who set all other fields is half of an object's size."""
_ONLY_STATUS = {"Pod"}
"""Of which the larger part, the spec, is in what they were made from."""

_log = structlog.get_logger()


class Store:
    """The children by their owner. Used from the event loop only."""

    def __init__(self, changed: Callable[[Owner], None]) -> None:
        self._changed = changed
        self._objects: dict[Owner, dict[tuple[str, str], Manifest]] = {}

    def of(self, owner: Owner, kinds_: Iterable[Kind]) -> Iterator[Manifest]:
        """All objects of these kinds that carry the name of a ChatCluster, whoever owns them."""
        wanted = {kind.name for kind in kinds_}
        return (found for (kind, _), found in self._objects.get(owner, {}).items() if kind in wanted)

    def put(self, found: Manifest) -> None:
        """An object is as it is here: new, changed, or the same as before."""
        owner, key = _place(found)
        objects = self._objects.setdefault(owner, {})
        if key not in objects or _version(objects[key]) != _version(found):
            objects[key] = found
            self._changed(owner)

    def drop(self, found: Manifest) -> None:
        """An object is gone."""
        self._forget(*_place(found))

    def keep(self, kind: Kind, namespace: str | None, there: Container[Place]) -> None:
        """Nothing else is there of a kind, in a namespace or everywhere."""
        for owner, objects in list(self._objects.items()):
            for key in [key for key in objects if key[0] == kind.name and namespace in (None, owner[0])]:
                if (owner, key) not in there:
                    self._forget(owner, key)

    def _forget(self, owner: Owner, key: tuple[str, str]) -> None:
        objects = self._objects.get(owner, {})
        if objects.pop(key, None) is not None:
            self._changed(owner)
        if not objects:
            self._objects.pop(owner, None)


def _version(found: Manifest) -> Version:
    metadata = found["metadata"]
    return metadata["uid"], metadata["resourceVersion"]


def _place(found: Manifest) -> Place:
    metadata = found["metadata"]
    owner = metadata["namespace"], metadata.get("labels", {}).get(names.INSTANCE, "")
    return owner, (found["kind"], metadata["name"])


@dataclass(slots=True)
class _Liveness:
    listed: bool = False
    heard: float = field(default_factory=time.monotonic)
    version: str = ""
    """To go on from. It moves with every event, or a watch that breaks would tell old ones again."""
    due: float = 0.0
    """When to list, by the monotonic clock."""
    known: Mapping[Version, Place] = field(default_factory=dict)
    """What the last list found."""


class Watches:
    """One thread for each kind and namespace."""

    def __init__(self, server: kube.ApiServer, store: Store, namespaces: Iterable[str], resync: float) -> None:
        """`namespaces`: those to watch; none: all. `resync`: seconds until everything is listed anew, at most."""
        self._server = server
        self._store = store
        self._resync = resync
        places: list[str | None] = list(namespaces) or [None]
        self._live = {(kind, place): _Liveness() for kind in kinds.WATCHED for place in places}
        self._loop = asyncio.get_running_loop()
        self._complete = asyncio.Event()

    def start(self) -> None:
        """Begin. The threads end with the process: nothing is lost with them."""
        for kind, place in self._live:
            threading.Thread(target=self._follow, args=(kind, place), daemon=True, name=f"watch-{kind.plural}").start()

    async def complete(self) -> None:
        """Wait until everything was listed once: before that, what is there looks as if it were missing."""
        await self._complete.wait()

    @property
    def is_complete(self) -> bool:
        """Whether everything was listed once."""
        return self._complete.is_set()

    def oldest(self) -> float:
        """Seconds since the quietest watch said anything."""
        ages: dict[str, float] = {}
        for (kind, _), live in self._live.items():
            ages[kind.name] = max(ages.get(kind.name, 0), time.monotonic() - live.heard)
        for name, age in ages.items():
            telemetry.WATCH_AGE_SECONDS.labels(name).set(age)
        return max(ages.values())

    # -- in the threads

    def _follow(self, kind: Kind, place: str | None) -> None:
        pause, live = _PAUSES[0], self._live[kind, place]
        while not self._loop.is_closed():
            try:
                if time.monotonic() >= live.due:
                    self._list(kind, place)
                self._watch(kind, place)
                pause = _PAUSES[0]
            except errors.OperatorError as exc:
                _log.warning("watch_failed", kind=kind.name, namespace=place, error=str(exc))
                telemetry.WATCH_RESTARTS_TOTAL.labels(kind.name, exc.reason).inc()
                if isinstance(exc, kube.Gone):
                    live.due = 0.0
                time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
                pause = min(2 * pause, _PAUSES[1])
            except Exception:  # noqa: BLE001 - the bottom of the thread: the other kinds are watched on
                if self._loop.is_closed():
                    return  # the operator has ended
                _log.exception("watch_crashed", kind=kind.name, namespace=place)
                telemetry.WATCH_RESTARTS_TOTAL.labels(kind.name, "Crashed").inc()
                live.due = 0.0  # or the event that it failed at would come again
                time.sleep(_PAUSES[1])

    def _list(self, kind: Kind, place: str | None) -> None:
        """What the last list had in the same version is not even decoded."""
        begun, live, known = time.monotonic(), self._live[kind, place], dict[Version, Place]()
        for page, version in self._server.pages(kind, place):
            items = {kube.version_of(item): item for item in page}
            found = {key: _slim(kind, kube.decoded(item)) for key, item in items.items() if key not in live.known}
            known |= {key: _place(found[key]) if key in found else live.known[key] for key in items}
            self._tell(partial(self._put, found.values()))
            live.version = version
        self._tell(partial(self._listed, kind, place, set(known.values())))
        live.known = known
        live.due = begun + self._resync * random.uniform(*_RELIST)  # noqa: S311 - jitter

    def _watch(self, kind: Kind, place: str | None) -> None:
        """Follow until the next list is due."""
        live = self._live[kind, place]
        seconds = max(1, math.ceil(live.due - time.monotonic()))
        for event in self._server.watch(kind, place, live.version, seconds):
            found = _slim(kind, event["object"])
            live.version, live.heard = str(found["metadata"]["resourceVersion"]), time.monotonic()
            if event["type"] == "DELETED":
                self._tell(partial(self._store.drop, found))
            elif event["type"] != "BOOKMARK":
                self._tell(partial(self._store.put, found))

    def _tell(self, step: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(step)

    # -- in the event loop

    def _put(self, found: Iterable[Manifest]) -> None:
        for one in found:
            self._store.put(one)

    def _listed(self, kind: Kind, place: str | None, there: Container[Place]) -> None:
        self._store.keep(kind, place, there)
        live = self._live[kind, place]
        live.listed, live.heard = True, time.monotonic()
        if all(live.listed for live in self._live.values()):
            self._complete.set()


def _slim(kind: Kind, found: Manifest) -> Manifest:
    """Lists leave out what is the same for all of their items."""
    found.setdefault("kind", kind.name)
    found.setdefault("apiVersion", kind.api_version)
    managers = found["metadata"].pop("managedFields", [])
    if kind.name in _COUNTED:
        found["metadata"]["managedFields"] = [_of_replicas(entry) for entry in managers if _sets_replicas(entry)]
    if kind.name in _ONLY_STATUS:
        found.pop("spec", None)
    return found


def _sets_replicas(entry: Manifest) -> bool:
    return "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})


def _of_replicas(entry: Manifest) -> Manifest:
    return {**entry, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
