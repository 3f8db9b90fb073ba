"""The chat page: files that are served as they are.

Owns which files there are, and what a browser may do with them: run these scripts, speak to this api and to gateways,
and nothing else. Does not own what the page says to either, which is REST and v1 like everybody's (page/*.js). All of
it is read once, so that a request touches no disk.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from chatcluster.api import problems, refusals
from chatcluster.api.edge import Dialect, Handler

DIALECT = Dialect(refusal=problems.refusal, preflight=lambda: Response(status_code=204), cors=())
"""The page is its own origin's: no other one reads it by script."""

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    headers: Mapping[str, str]


class Page:
    """The handlers."""

    def __init__(self, gateways: Sequence[str]) -> None:
        """`gateways` are the websockets' addresses, to which the page may connect besides its own host."""
        policy = _policy(gateways)
        folder = resources.files("chatcluster.api") / "page"
        self._files = {file.name: _read(file.read_bytes(), file.name, policy) for file in folder.iterdir()}

    def routes(self) -> dict[str, dict[str, Handler]]:
        """The handler of each path and method."""
        return {"/": {"GET": self.index}, "/page/{name}": {"GET": self.file}}

    async def index(self, request: Request) -> Response:
        """The page itself."""
        return self._answer(request, _INDEX)

    async def file(self, request: Request) -> Response:
        """One of its files."""
        return self._answer(request, request.path_params["name"])

    def _answer(self, request: Request, name: str) -> Response:
        file = self._files.get(name)
        if file is None:
            raise refusals.NoSuchPath
        if request.headers.get("if-none-match") == file.headers["etag"]:
            return Response(status_code=304, headers=dict(file.headers))
        return Response(file.body, headers=dict(file.headers))


def _read(body: bytes, name: str, policy: str) -> _File:
    headers = {
        "content-type": _TYPES[name.rpartition(".")[2]],
        "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
        "cache-control": "no-cache",  # asked for anew each time, and answered with 304: no upgrade mixes two versions
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
    }
    return _File(body, headers)


def _policy(gateways: Sequence[str]) -> str:
    # Without a list the page tries its own host, whose name this server does not know.
    sources = " ".join(["'self'", *dict.fromkeys(gateways or ["ws:", "wss:"])])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src {sources}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    )
