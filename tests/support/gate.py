"""A door between a client and a real API server, that counts writes and can fall shut at one of them.

Owns forwarding every request and stream as it is, in plain HTTP on this side and with a person's certificate on the
other. What falls shut is decided by the test.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes
import yaml
from aiohttp import web

_HOP_BY_HOP = {"connection", "content-length", "host", "transfer-encoding"}
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class Watches(Enum):
    """What becomes of what the API server says in watches, of those that are open too."""

    CARRIED = "carried"
    ROBBED = "robbed"
    """Of their events; bookmarks come, and so does their end: nothing looks wrong."""
    SILENT = "silent"
    """They say nothing more, and do not end."""


class Gate:
    """Counts writes; at `strike_at` calls `strike` instead of, or right after, forwarding."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.writes: list[str] = []
        """Method and path of each write, in order."""
        self.strike_at = 0
        """The number of a write, from 1; 0: none."""
        self.is_done_first = False
        """Whether the API server gets that write before the strike."""
        self.strike: Callable[[], Awaitable[None]] | None = None
        self.deaf = ""
        """Watches of paths with this in them never say anything; empty: none are."""
        self.watches = Watches.CARRIED
        self.kubeconfig = folder / "gate.kubeconfig"
        self._configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=self._configuration)
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Gate"]:
        """Forward as long as the block; `kubeconfig` leads here."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls(), limit=0), timeout=aiohttp.ClientTimeout(None)
        ) as self._session:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self._write_kubeconfig(runner.addresses[0][1])
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        is_struck = False
        if request.method in _WRITES:
            self.writes.append(f"{request.method} {request.path}")
            is_struck = len(self.writes) == self.strike_at
        if is_struck and not self.is_done_first:
            await self._fall_shut(request)
        if self.deaf and self.deaf in request.path and request.query.get("watch"):
            return await _silence(request)
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = self._configuration.host + request.raw_path
        body = await request.read() or None
        async with self._session.request(
            request.method, url, headers=headers, data=body, skip_auto_headers=["Content-Type", "User-Agent"]
        ) as answer:
            if is_struck:
                await answer.read()
                await self._fall_shut(request)
            return await self._passed_on(request, answer)

    async def _passed_on(self, request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers.pop("Content-Encoding", None)  # it was decoded on the way in
        response = web.StreamResponse(status=answer.status, headers=headers)
        pieces = self._events(answer.content) if request.query.get("watch") else answer.content.iter_any()
        try:
            await response.prepare(request)
            async for piece in pieces:
                await response.write(piece)
        except (aiohttp.ClientError, ConnectionResetError):
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _events(self, stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
        rest = b""
        async for piece in stream.iter_any():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if self.watches is Watches.CARRIED or (self.watches is Watches.ROBBED and b'"BOOKMARK"' in line):
                    yield line + b"\n"
        if self.watches is Watches.SILENT:
            await asyncio.Event().wait()

    async def _fall_shut(self, request: web.Request) -> None:
        assert self.strike is not None
        await self.strike()
        if request.transport is not None:
            request.transport.abort()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._configuration.ssl_ca_cert)
        context.load_cert_chain(self._configuration.cert_file, self._configuration.key_file)
        return context

    def _write_kubeconfig(self, port: int) -> None:
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "gate", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "gate", "user": {"token": "none"}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
            "current-context": "gate",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))


async def _silence(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await asyncio.Event().wait()
    return response
