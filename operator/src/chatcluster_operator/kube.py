"""The API server, as the operator uses it: a port, and its adapter on the `kubernetes` package.

Owns single requests: their deadline, what their failures mean, and their metrics. Does not own watching (watching) nor
what is sent. The package's client is used for what is hard to get right (kubeconfig, certificates, tokens that rotate,
pooling); its models are not: an object is a dict here, and costs nothing to import.

Every call is one request of at most `TIMEOUT` seconds in a thread. Nothing is retried here: whoever asked looks again.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import kubernetes
import msgspec
import urllib3
from kubernetes.client.exceptions import ApiException

from chatcluster_operator import errors, kinds, names, telemetry
from chatcluster_operator.kinds import Kind
from chatcluster_operator.names import Manifest

TIMEOUT = (5, 20)
"""Seconds to connect, and between two bytes of an answer."""
STALLED = 90
"""Seconds without a byte after which a watch counts as dead: the API server sends a bookmark at least every 60 s or so.
https://kubernetes.io/docs/reference/using-api/api-concepts/#watch-bookmarks"""
OVERDUE = 5
"""Seconds that a watch may be silent beyond its own time: then the API server would have ended it."""
PAGE = 250
"""Objects in a page of a list, at most: what is decoded at once, and how long the event loop may have to wait."""

_DECODER = msgspec.json.Decoder()
"""What is read most are lists; its names of fields are one string however often they are read."""
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
        self._client = kubernetes.client.ApiClient(configuration)
        self._threads = ThreadPoolExecutor(threads, "kube")

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """See the port."""
        try:
            return await self._call("GET", kind.path(namespace, name))
        except _NotFound:
            return None

    async def everything(self, kind: Kind, namespace: str | None) -> list[Manifest]:
        """See the port."""
        loop = asyncio.get_running_loop()
        pages = await loop.run_in_executor(self._threads, lambda: list(self.pages(kind, namespace)))
        return [item for items, _ in pages for item in items]

    async def create(self, manifest: Manifest) -> Manifest:
        """See the port."""
        kind = kinds.BY_NAME[manifest["kind"]]
        path = kind.path(manifest["metadata"]["namespace"])
        return await self._call("POST", path, manifest, {"fieldManager": names.FIELD_MANAGER})

    async def apply(self, manifest: Manifest, *, manager: str = names.FIELD_MANAGER, subresource: str = "") -> Manifest:
        """See the port."""
        metadata = manifest["metadata"]
        path = kinds.BY_NAME[manifest["kind"]].path(metadata["namespace"], metadata["name"], subresource)
        return await self._call("PATCH", path, manifest, {"fieldManager": manager, "force": "true"}, content=_APPLY)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> None:
        """See the port."""
        query = {"fieldManager": names.FIELD_MANAGER}
        await self._call("PATCH", kind.path(namespace, name), patch, query, content=_MERGE)

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
            await self._call("DELETE", path, body)
        except (_NotFound, Conflict):
            return  # gone, or another one of its name: either way this one is not there

    def pages(self, kind: Kind, namespace: str | None) -> Iterator[tuple[list[Manifest], str]]:
        """All objects that `Kind.selector` finds, page by page, each with the version to watch from. Blocks."""
        more = ""
        while True:
            query = {"limit": f"{PAGE}"} | _given(labelSelector=kind.selector) | _given(**{"continue": more})
            answer = self._request("GET", kind.path(namespace), None, query, verb="list")
            yield answer["items"], answer["metadata"]["resourceVersion"]
            more = answer["metadata"].get("continue", "")
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
            response = self._send("GET", kind.path(namespace), None, query, timeout=(TIMEOUT[0], silence))
            try:
                for line in _lines(response):
                    yield _event(_DECODER.decode(line))
            finally:
                response.close()

    def close(self) -> None:
        """Let go of threads and connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def _call(
        self,
        method: str,
        path: str,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        *,
        content: str = "application/json",
    ) -> Manifest:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: self._request(method, path, body, query or {}, verb=_VERBS[method], content=content)
        )

    def _request(
        self,
        method: str,
        path: str,
        body: Manifest | None,
        query: Mapping[str, str],
        *,
        verb: str,
        content: str = "application/json",
    ) -> Manifest:
        with _told_as_our_own(verb):
            response = self._send(method, path, body, query, timeout=TIMEOUT, content=content)
            answer: Manifest = _DECODER.decode(response.data)
            return answer

    def _send(
        self,
        method: str,
        path: str,
        body: Manifest | None,
        query: Mapping[str, str],
        *,
        timeout: tuple[int, int],
        content: str = "application/json",
    ) -> urllib3.HTTPResponse:
        response: urllib3.HTTPResponse = self._client.call_api(
            path,
            method,
            query_params=dict(query),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=timeout,
        )
        return response


def _given(**query: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


class _NotFound(errors.OperatorError):
    pass


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
    except ApiException as exc:
        code = str(exc.status)
        raise _STATUSES.get(exc.status, errors.ApiUnavailable)(_message(exc)) from exc
    except (urllib3.exceptions.HTTPError, OSError, ValueError, msgspec.DecodeError) as exc:
        code = "none"
        raise errors.ApiUnavailable(f"the API server did not answer: {getattr(exc, 'reason', exc)}") from exc
    except errors.OperatorError as exc:
        code = exc.reason
        raise
    finally:
        telemetry.API_CALLS_TOTAL.labels(verb, code).inc()


def _message(failure: ApiException) -> str:
    """The API server's own words, where it has some."""
    try:
        said = json.loads(failure.body or b"")["message"]
    except (ValueError, KeyError, TypeError):
        said = failure.reason
    return str(said)


def _event(event: Manifest) -> Manifest:
    """A watch's event, unless it is the end of the watch."""
    if event["type"] != "ERROR":
        return event
    status = event["object"]
    raise _STATUSES.get(status.get("code", 0), errors.ApiUnavailable)(status.get("message", "the watch ended"))


def _lines(response: urllib3.HTTPResponse) -> Iterator[bytes]:
    """The lines of a stream, as they come. A line is an object, which the API server bounds (1.5 MiB in etcd)."""
    rest = b""
    for chunk in response.stream(None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)
