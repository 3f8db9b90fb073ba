"""The API server, as the operator uses it: a port, and its adapter on the `kubernetes` package.

Owns single requests: their deadline, what their failures mean, and their metrics. Does not own watching (watching) nor
what is sent. The package is used for what is hard to get right (kubeconfig, certificates, tokens that rotate, proxies);
its models are not: an object is a dict here, and costs nothing to import. Nor is its way to send requests, which makes
them cost twice as much.

Every call is one request in a thread, in which each wait is bounded by `TIMEOUT`. Nothing is retried here: whoever
asked looks again.
"""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from urllib.parse import urlencode

import kubernetes
import msgspec
import urllib3

from chatcluster_operator import errors, kinds, names, telemetry
from chatcluster_operator.kinds import Kind
from chatcluster_operator.names import Manifest

T = TypeVar("T")

TIMEOUT = (5, 20)
"""Seconds to connect, and between two bytes of an answer."""
STALLED = 90
"""Seconds without a byte after which a watch counts as dead: the API server sends a bookmark at least every 60 s or so.
https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks"""
OVERDUE = 5
"""Seconds that a watch may be silent beyond its own time: then the API server would have ended it."""
PAGE = 250
"""Objects in a page of a list, at most: what is decoded at once, and how long the event loop may have to wait."""

_ERRORS = 400
"""Statuses from here on are refusals and failures."""
_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"


class Conflict(errors.OperatorError):
    """The object exists, or is another one by now."""

    reason = "Conflict"


class Gone(errors.OperatorError):
    """The version to go on from is too old: list again."""

    reason = "Gone"


class Kube(Protocol):
    """Requests to the API server.

    Raises of every method: `ApiUnavailable` (no answer: a write may have happened), `Forbidden`, `Rejected` (the
    message is the API server's), `Conflict`.
    """

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """One object; None where there is none."""
        ...

    async def everything(self, kind: Kind, namespace: str | None) -> list[Manifest]:
        """All objects of a kind that `Kind.selector` finds, in a namespace or everywhere."""
        ...

    async def create(self, manifest: Manifest) -> Manifest:
        """Make an object. Raises `Conflict` when one of that name exists."""
        ...

    async def apply(self, manifest: Manifest, *, manager: str = names.FIELD_MANAGER, subresource: str = "") -> Manifest:
        """Server-side apply, taking over every field that the manifest has. Idempotent."""
        ...

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> None:
        """Change single fields of an object. Idempotent."""
        ...

    async def delete(self, live: Manifest, *, orphan: bool = False) -> None:
        """Delete exactly this object, if it is still there; with `orphan`, without what it owns. Idempotent."""
        ...


class ApiServer:
    """The port on a real API server; also what watches stand on. `threads` is how many requests run at once."""

    def __init__(self, configuration: kubernetes.client.Configuration, threads: int) -> None:
        configuration.retries = urllib3.Retry(0)
        configuration.connection_pool_maxsize = threads + len(kinds.WATCHED)
        self._host = configuration.host
        self._client = kubernetes.client.ApiClient(configuration)
        self._pool: urllib3.PoolManager = self._client.rest_client.pool_manager
        self._threads = ThreadPoolExecutor(threads, "kube")

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """See the port."""
        try:
            return await self._call(_Request("GET", kind.path(namespace, name)))
        except _NotFound:
            return None

    async def everything(self, kind: Kind, namespace: str | None) -> list[Manifest]:
        """See the port."""
        loop = asyncio.get_running_loop()
        pages = await loop.run_in_executor(self._threads, lambda: list(self.pages(kind, namespace)))
        return [decoded(item) for items, _ in pages for item in items]

    async def create(self, manifest: Manifest) -> Manifest:
        """See the port."""
        kind = kinds.BY_NAME[manifest["kind"]]
        path = kind.path(manifest["metadata"]["namespace"])
        return await self._call(_Request("POST", path, {"fieldManager": names.FIELD_MANAGER}, manifest))

    async def apply(self, manifest: Manifest, *, manager: str = names.FIELD_MANAGER, subresource: str = "") -> Manifest:
        """See the port."""
        metadata = manifest["metadata"]
        path = kinds.BY_NAME[manifest["kind"]].path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true"}
        return await self._call(_Request("PATCH", path, query, manifest, _APPLY))

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> None:
        """See the port."""
        query = {"fieldManager": names.FIELD_MANAGER}
        await self._call(_Request("PATCH", kind.path(namespace, name), query, patch, _MERGE))

    async def delete(self, live: Manifest, *, orphan: bool = False) -> None:
        """See the port."""
        metadata = live["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"]},
            "propagationPolicy": "Orphan" if orphan else "Background",
        }
        path = kinds.BY_NAME[live["kind"]].path(metadata["namespace"], metadata["name"])
        try:
            await self._call(_Request("DELETE", path, body=body))
        except (_NotFound, Conflict):
            return  # gone, or another one of its name: either way this one is not there

    def pages(self, kind: Kind, namespace: str | None) -> Iterator[tuple[list[msgspec.Raw], str]]:
        """All objects that `Kind.selector` finds, page by page, each with the version to watch from. Blocks.

        They come as they were sent, for `version_of` and `decoded`: most of them are known already.
        """
        more = ""
        while True:
            query = {"limit": f"{PAGE}"} | _given(labelSelector=kind.selector) | _given(**{"continue": more})
            answer = self._answer(_Request("GET", kind.path(namespace), query), "list", _LISTS)
            yield answer.items, answer.metadata.resource_version
            more = answer.metadata.more
            if not more:
                return

    def watch(self, kind: Kind, namespace: str | None, version: str, seconds: int) -> Iterator[Manifest]:
        """What happens after a version, for so many seconds. Blocks; raises `Gone`, and as the port does."""
        query = {
            "labelSelector": kind.selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        silence = min(STALLED, seconds + OVERDUE)
        with _told_as_our_own("watch"):
            response = self._send(_Request("GET", kind.path(namespace), query), (TIMEOUT[0], silence))
            try:
                for line in _lines(response):
                    yield _event(_OBJECTS.decode(line))
            finally:
                response.close()

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _call(self, request: "_Request") -> Manifest:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._answer(request, _VERBS[request.method], _OBJECTS)
        )

    def _answer(self, request: "_Request", verb: str, decoder: msgspec.json.Decoder[T]) -> T:
        with _told_as_our_own(verb):
            return decoder.decode(self._send(request, TIMEOUT).data)

    def _send(self, request: "_Request", timeout: tuple[int, int]) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": _JSON, "Content-Type": request.content, "User-Agent": names.FIELD_MANAGER}
        self._client.update_params_for_auth(headers, [], ["BearerToken"])  # reads a token that has rotated
        response = self._pool.request(
            request.method,
            f"{self._host}{request.path}{'?' if request.query else ''}{urlencode(request.query)}",
            body=None if request.body is None else msgspec.json.encode(request.body),
            headers=headers,
            timeout=urllib3.Timeout(connect=timeout[0], read=timeout[1]),
            preload_content=False,
        )
        if response.status >= _ERRORS:
            raise _Refused(response)
        return response


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Manifest | None = None
    content: str = _JSON


def version_of(item: msgspec.Raw) -> tuple[str, str]:
    """Which object it is, and in which version: nothing else can be the same in both. Without decoding the rest."""
    metadata = _ITEMS.decode(item).metadata
    return metadata.uid, metadata.resource_version


def decoded(item: msgspec.Raw) -> Manifest:
    """The object; the names of fields are one string however often they are read."""
    return _OBJECTS.decode(item)


def _given(**query: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


class _NotFound(errors.OperatorError):
    pass


class _Refused(Exception):
    """An answer that is not what was asked for."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        super().__init__(response.status)
        self.status = response.status
        self.said = _said(response)


class _Version(msgspec.Struct):
    uid: str
    resource_version: str = msgspec.field(name="resourceVersion")


class _Item(msgspec.Struct):
    metadata: _Version


class _Page(msgspec.Struct):
    resource_version: str = msgspec.field(name="resourceVersion")
    more: str = msgspec.field(name="continue", default="")


class _List(msgspec.Struct):
    metadata: _Page
    items: list[msgspec.Raw]


_OBJECTS = msgspec.json.Decoder(Manifest)
_ITEMS = msgspec.json.Decoder(_Item)
_LISTS = msgspec.json.Decoder(_List)

_NoToken = kubernetes.config.ConfigException
"""Of a token's file that cannot be read just now."""
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
_STATUSES: dict[int, type[errors.OperatorError]] = {
    # 500 is also what a well API server says of a field that a kind does not have, and of a webhook that fails.
    **dict.fromkeys((400, 405, 413, 415, 422, 500), errors.Rejected),
    **dict.fromkeys((401, 403), errors.Forbidden),
    404: _NotFound,
    409: Conflict,
    410: Gone,
}


@contextmanager
def _told_as_our_own(verb: str) -> Iterator[None]:
    code = "200"
    try:
        yield
    except _Refused as exc:
        code = str(exc.status)
        raise _STATUSES.get(exc.status, errors.ApiUnavailable)(exc.said) from exc
    except (urllib3.exceptions.HTTPError, OSError, ValueError, msgspec.DecodeError, _NoToken) as exc:
        code = "none"
        raise errors.ApiUnavailable(f"the API server did not answer: {getattr(exc, 'reason', exc)}") from exc
    except errors.OperatorError as exc:
        code = exc.reason
        raise
    finally:
        telemetry.API_CALLS_TOTAL.labels(verb, code).inc()


def _said(response: urllib3.BaseHTTPResponse) -> str:
    """The API server's own words, where it has some."""
    try:
        return str(_OBJECTS.decode(response.data)["message"])
    except (msgspec.DecodeError, KeyError):
        return response.reason or f"HTTP {response.status}"


def _event(event: Manifest) -> Manifest:
    """A watch's event, unless it is the end of the watch."""
    if event["type"] != "ERROR":
        return event
    status = event["object"]
    raise _STATUSES.get(status.get("code", 0), errors.ApiUnavailable)(status.get("message", "the watch ended"))


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The lines of a stream, as they come. A line is an object, which the API server bounds (1.5 MiB in etcd)."""
    rest = b""
    for chunk in response.stream(None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
