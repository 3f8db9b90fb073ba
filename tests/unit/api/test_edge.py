import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from chatcluster.api import problems
from chatcluster.api.edge import CLIENT_GONE, Dialect, Edge, Endpoint, Handler
from chatcluster.core import errors

DIALECT = Dialect(problems.refusal, lambda: Response(status_code=204), ((b"x-cors", b"yes"),))


def counted(route: str, status: int, method: str = "GET") -> float:
    """How many requests were counted."""
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("chat_requests_total", labels) or 0.0


async def answer(route: str, handle: Handler, method: str = "GET") -> httpx.Response:
    """One request to one handler."""
    edge = Edge(Endpoint(route, DIALECT, handle), lambda _: "203.0.113.7")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://api") as client:
        return await client.request(method, "/whatever")


async def test_requests_are_counted_by_template_and_status() -> None:
    """Never by the path itself, whose number has no bound."""

    async def handle(_: Request) -> Response:
        return Response(status_code=201)

    response = await answer("/counted/{room}", handle)
    assert (response.status_code, response.headers["x-cors"]) == (201, "yes")
    assert counted("/counted/{room}", 201) == 1
    labels = {"method": "GET", "route": "/counted/{room}"}
    assert REGISTRY.get_sample_value("chat_request_latency_seconds_count", labels) == 1


async def test_a_method_that_nobody_knows_is_no_label() -> None:
    """Clients may send any word."""

    async def handle(_: Request) -> Response:
        return Response(status_code=405)

    await answer("/methods", handle, "BREW")
    assert counted("/methods", 405, "other") == 1


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [(errors.Busy(), 503, "busy"), (ZeroDivisionError("1/0"), 500, "internal")],
)
async def test_whatever_a_handler_raises_becomes_an_answer(raised: Exception, status: int, code: str) -> None:
    """And what went wrong inside stays inside."""

    async def handle(_: Request) -> Response:
        raise raised

    response = await answer("/raises", handle)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "1/0" not in response.text
    assert response.headers["x-cors"] == "yes"


async def test_a_client_that_went_away_is_counted_apart() -> None:
    """Nobody is to blame, and nobody reads an answer."""

    async def handle(_: Request) -> Response:
        raise ClientDisconnect

    await answer("/gone", handle)
    assert counted("/gone", CLIENT_GONE) == 1
