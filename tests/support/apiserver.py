"""A stand-in for kube-apiserver, on a real socket: EndpointSlices that can be listed and watched, and faults on demand.

It knows what a directory relies on: versions, pages, watches that go on from a version, 410 for one that is forgotten.
What it is told to do wrong it does once.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

SERVICE = "demo-logic"
NAMESPACE = "chat"
PATH = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SELECTOR = f"kubernetes.io/service-name={SERVICE}"
TOKEN = "a-token-of-the-tests"
GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}

Object = dict[str, Any]


def endpoint_slice(name: str, *addresses: str, port: int = 6900, **conditions: bool) -> Object:
    """Return a slice with a pod at each address, whose UID is made of the address."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "addressType": "IPv6" if ":" in "".join(addresses) else "IPv4",
        "ports": [{"name": "health", "port": 9070}, {"name": "grpc", "port": port, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, **conditions},
                "targetRef": {"kind": "Pod", "uid": f"uid-of-{address}"},
            }
            for address in addresses
        ]
        or None,
    }


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer to one request that is not what was asked for."""

    status: int = 200
    body: bytes = b""
    cut: bool = False
    """Reset the connection after that."""
    location: str = ""
    """Send whoever asks there."""


class Watch:
    """One watch that is open."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1000)
        self.is_cut = False

    def say(self, kind: str, thing: Object) -> None:
        """Send an event."""
        self.write(json.dumps({"type": kind, "object": thing}).encode() + b"\n")

    def write(self, piece: bytes) -> None:
        """Send bytes."""
        self._pieces.put_nowait(piece)

    def end(self) -> None:
        """Let it end as one whose time is over."""
        self._pieces.put_nowait(None)

    def cut(self) -> None:
        """Reset the connection, when what was written before is sent."""
        self.is_cut = True
        self.end()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent, until the end."""
        while (piece := await self._pieces.get()) is not None:
            yield piece


class ScriptedApiserver:
    """The EndpointSlices of one Service, and what was asked about them."""

    def __init__(self) -> None:
        self.slices: dict[str, Object] = {}
        self.version = 100
        self.forgotten = 0
        """Versions up to this one cannot be watched from."""
        self.page = 500
        """At most so many slices are on a page, whatever is asked for."""
        self.tokens = {TOKEN}
        """Who is let in."""
        self.asked: list[Mapping[str, str]] = []
        """The parameters of all requests that were let in, in order."""
        self.list_faults: deque[Fault] = deque()
        self.watch_faults: deque[Fault] = deque()
        self.watches: list[Watch] = []
        """Those that are open."""
        self.url = ""
        self._history: list[tuple[int, str, Object]] = []
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def lists(self) -> list[Mapping[str, str]]:
        """The parameters of the lists that were asked for."""
        return [parameters for parameters in self.asked if "watch" not in parameters]

    @property
    def watched_from(self) -> list[str]:
        """The versions from which watches were asked for."""
        return [parameters["resourceVersion"] for parameters in self.asked if "watch" in parameters]

    async def start(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on loopback."""
        application = web.Application()
        application.router.add_get(PATH, self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=tls, reuse_address=True).start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Cut everything, and refuse connections until it is started again."""
        for watch in self.watches:
            watch.cut()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def put(self, thing: Object) -> None:
        """Create or change a slice, and tell who watches."""
        kind = "MODIFIED" if thing["metadata"]["name"] in self.slices else "ADDED"
        self.slices[thing["metadata"]["name"]] = thing
        self._happened(kind, thing)

    def remove(self, name: str) -> None:
        """Delete a slice, and tell who watches."""
        self._happened("DELETED", self.slices.pop(name))

    def bookmark(self) -> None:
        """Tell who watches how far it is; something that nobody watches has happened meanwhile."""
        self.version += 1
        for watch in self.watches:
            watch.say("BOOKMARK", {"kind": "EndpointSlice", "metadata": {"resourceVersion": str(self.version)}})

    def _happened(self, kind: str, thing: Object) -> None:
        self.version += 1
        known = {**thing, "metadata": {**thing["metadata"], "resourceVersion": str(self.version)}}
        self._history.append((self.version, kind, known))
        for watch in self.watches:
            watch.say(kind, known)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)
        assert request.query["labelSelector"] == SELECTOR
        self.asked.append(dict(request.query))
        is_watch = "watch" in request.query
        faults = self.watch_faults if is_watch else self.list_faults
        if faults:
            return await _go_wrong(request, faults.popleft())
        return await self._watch(request) if is_watch else self._list(request)

    def _list(self, request: web.Request) -> web.Response:
        names = sorted(self.slices)
        start = int(request.query.get("continue", "0"))
        end = start + min(self.page, int(request.query["limit"]))
        metadata = {"resourceVersion": str(self.version), **({"continue": str(end)} if end < len(names) else {})}
        return web.json_response(
            {"kind": "EndpointSliceList", "metadata": metadata, "items": [self.slices[n] for n in names[start:end]]}
        )

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        version = int(request.query["resourceVersion"])
        if version <= self.forgotten:
            return web.json_response(GONE, status=410)
        watch = Watch()
        for happened, kind, thing in self._history:
            if happened > version:
                watch.say(kind, thing)
        self.watches.append(watch)
        try:
            response = await _begin(request)
            async for piece in watch.pieces():
                await response.write(piece)
        finally:
            self.watches.remove(watch)
        if watch.is_cut:
            _reset(request)
        return response


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedApiserver]:
    """Run one as long as the block."""
    server = ScriptedApiserver()
    await server.start(tls=tls)
    yield server
    await server.stop()


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    return response


async def _go_wrong(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.status != 200:
        headers = {"Content-Type": "application/json", **({"Location": fault.location} if fault.location else {})}
        return web.Response(status=fault.status, body=fault.body, headers=headers)
    response = await _begin(request)
    await response.write(fault.body)
    if fault.cut:
        _reset(request)
    return response


def _reset(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
