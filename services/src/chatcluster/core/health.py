"""The health port of a program: /healthz, /readyz and /metrics.

Owns what "ready" means and the few lines of HTTP that say so. Does not own what a program depends on. It lives in core
because all programs answer the same three questions, and it is served by hand because a program that cannot answer
HTTP (logic, task, connect) should not carry a web framework for three paths.

Ready is a program whose dependencies were each reached once and that does not drain. What is lost later is shown and
gates nothing: else one blink of Redis would take every endpoint of the cluster away. A program to which nobody sends
work may be strict: it is ready only while all of them answer.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import prometheus_client

from chatcluster.core import runner, telemetry
from chatcluster.core.environment import PREFIX, Environment, WrongSetting

_MAX_HEAD_BYTES = 8 * 1024
_MAX_CONNECTIONS = 64
_DEADLINE = 5.0
_PATHS = (b"/healthz", b"/readyz", b"/metrics")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the health port is."""

    host: str
    port: int
    """0: any free one."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read CHATCLUSTER_HEALTH_HOST and CHATCLUSTER_HEALTH_PORT."""
        environment = Environment(environ)
        return cls(environment.interface("HEALTH_HOST"), environment.integer("HEALTH_PORT", 9070, 0, 65535))


class Dependency:
    """Something that a program cannot begin without."""

    def __init__(self) -> None:
        self.ever_reached = False
        self.problem: str | None = "not reached yet"

    def reached(self) -> None:
        """It answered."""
        self.ever_reached = True
        self.problem = None

    def lost(self, reason: str) -> None:
        """It did not. Makes a program unready that was ready only if its readiness is strict."""
        self.problem = reason


class Readiness:
    """Whether a program wants work; `strict`: only while its dependencies answer."""

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict
        self._dependencies: dict[str, Dependency] = {}
        self._draining = False

    def dependency(self, name: str) -> Dependency:
        """A new dependency, or the one of that name; it holds readiness back until it was reached once."""
        dependency = self._dependencies.setdefault(name, Dependency())
        telemetry.DEPENDENCY_UP.labels(name).set_function(lambda: dependency.problem is None)
        return dependency

    def drain(self) -> None:
        """Be unready for good."""
        self._draining = True

    @property
    def ready(self) -> bool:
        """All dependencies were reached once, or answer now, and the program does not drain."""
        dependencies = self._dependencies.values()
        return not self._draining and all(not d.problem if self._strict else d.ever_reached for d in dependencies)

    def detail(self) -> dict[str, object]:
        """What /readyz says."""
        problems = {name: d.problem or "ok" for name, d in self._dependencies.items()}
        return {"ready": self.ready, "draining": self._draining, "dependencies": problems}


async def serve(
    run: runner.Runner, settings: Settings, readiness: Readiness, more: Mapping[str, Callable[[], object]] | None = None
) -> int:
    """Answer on the health port until the program ends; returns the port.

    `more` are pages of the program's own: by path, what makes a JSON document. At most 64 connections at once and 5
    seconds for each; what is over or slower is dropped. Raises `WrongSetting` when the port cannot be had.
    """
    health = _Server(readiness, run.component, more or {})
    try:
        server = await asyncio.start_server(health.connected, settings.host, settings.port, limit=_MAX_HEAD_BYTES)
    except OSError as exc:
        problem = f"is {settings.port}, which cannot be had at {settings.host} ({exc.strerror})"
        raise WrongSetting(PREFIX + "HEALTH_PORT", problem, "9070") from exc
    run.spawn(server.serve_forever(), "health")
    port: int = server.sockets[0].getsockname()[1]
    return port


class _Server:
    def __init__(self, readiness: Readiness, component: str, more: Mapping[str, Callable[[], object]]) -> None:
        self._readiness = readiness
        self._component = component
        self._more = {path.encode(): make for path, make in more.items()}
        self._open = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_DEADLINE):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(head))
                    await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a peer that does not speak HTTP, or not in time, is owed nothing
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", "text/plain", b"GET or HEAD\n")
        return self._page(path)

    def _page(self, path: bytes) -> bytes:
        match path:
            case b"/healthz":
                return _response("200 OK", "text/plain", b"ok\n")
            case b"/readyz":
                status = "200 OK" if self._readiness.ready else "503 Service Unavailable"
                return _document(status, self._readiness.detail())
            case b"/metrics":
                return _response("200 OK", prometheus_client.CONTENT_TYPE_LATEST, telemetry.page(self._component))
            case _ if path in self._more:
                return _document("200 OK", self._more[path]())
        return _response("404 Not Found", "text/plain", b", ".join([*_PATHS, *self._more]) + b"\n")


def _document(status: str, value: object) -> bytes:
    return _response(status, "application/json", json.dumps(value).encode())


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
