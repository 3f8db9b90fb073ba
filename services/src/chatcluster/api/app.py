"""The paths of api, as one list, and what happens beside them.

Owns which handler a path and method has. Does not own the handlers (gochat, v1, page).
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from chatcluster.api import gochat, operations, page, refusals, shapes, v1
from chatcluster.api.backend import Backend
from chatcluster.api.bodies import Bodies
from chatcluster.api.edge import Edge, Endpoint, by_method
from chatcluster.api.limits import Limits

_V1 = "/v1/"
_NO_PATH = "other"
_TEMPORARY_REDIRECT = 307


def build(backend: Backend, bodies: Bodies, limits: Limits, gateways: shapes.Gateways) -> ASGIApp:
    """The ASGI app. `gateways` is where clients find them."""
    eight = gochat.Gochat(backend, bodies, limits).routes()
    others = operations.routes(v1.operations(backend, bodies, limits, gateways))
    files = page.Page(gateways.websocket).routes()
    endpoints = [
        *(Endpoint(path, gochat.DIALECT, by_method({"POST": handler})) for path, handler in eight.items()),
        *(Endpoint(path, v1.DIALECT, by_method(handlers)) for path, handlers in others.items()),
        *(Endpoint(path, page.DIALECT, by_method(handlers)) for path, handlers in files.items()),
    ]
    router = Router(
        [Route(endpoint.path, endpoint) for endpoint in endpoints],
        redirect_slashes=False,  # gochat redirects in one direction only, and only what would be found
        default=_Elsewhere(frozenset(eight)),
    )
    return Edge(router, limits.address)


class _Elsewhere:
    """Every path that is none of the list's."""

    def __init__(self, gochat_paths: frozenset[str]) -> None:
        self._gochat_paths = gochat_paths
        self._gochat = Endpoint(_NO_PATH, gochat.DIALECT, self._redirect)
        self._v1 = Endpoint(_NO_PATH, v1.DIALECT, _refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._v1 if scope["path"].startswith(_V1) else self._gochat
        await endpoint(scope, receive, send)

    async def _redirect(self, request: Request) -> Response:
        """To a path without the slash at its end, if that is gochat's, as gin does; the client sends its body again."""
        path = request.scope["path"].removesuffix("/")
        if request.method != "POST" or path == request.scope["path"] or path not in self._gochat_paths:
            raise refusals.NoSuchPath
        query = request.url.query
        location = f"{path}?{query}" if query else path
        return Response(status_code=_TEMPORARY_REDIRECT, headers={"location": location})


async def _refuse(_: Request) -> Response:
    raise refusals.NoSuchPath
