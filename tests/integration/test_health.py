"""core.health over a real socket: what a probe, a scraper and a stranger get."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from chatcluster.core import health, telemetry
from chatcluster.core.environment import WrongSetting
from chatcluster.core.health import Readiness
from chatcluster.core.runner import Runner


@pytest.fixture
async def readiness() -> Readiness:
    """Return a readiness with one dependency that was not reached yet."""
    readiness = Readiness()
    readiness.dependency("logic")
    return readiness


@pytest.fixture
async def port(readiness: Readiness) -> AsyncIterator[int]:
    """Serve it; yield the port."""
    async with asyncio.TaskGroup() as tasks:
        runner = Runner({}, tasks)
        more = {"/verdict": lambda: {"ready": readiness.ready}}
        yield await health.serve(runner, health.Settings("127.0.0.1", 0), readiness, more)
        runner.end()


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Yield an HTTP client of the health port."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


async def test_readiness_is_told_with_its_reasons(client: httpx.AsyncClient, readiness: Readiness) -> None:
    """/readyz is 503 until every dependency was reached, and always says how each of them is."""
    before = await client.get("/readyz")
    readiness.dependency("logic").reached()
    after = await client.get("/readyz?verbose")

    assert (before.status_code, before.json()["dependencies"]) == (503, {"logic": "not reached yet"})
    assert (after.status_code, after.json()) == (200, readiness.detail())


async def test_healthz_says_that_the_loop_runs(client: httpx.AsyncClient) -> None:
    """/healthz is 200 for an unready program too."""
    assert (await client.get("/healthz")).status_code == 200


async def test_metrics_are_scraped(client: httpx.AsyncClient) -> None:
    """/metrics has ours in Prometheus' text format."""
    telemetry.REJECTED_TOTAL.labels("test").inc()

    response = await client.get("/metrics")

    assert response.headers["content-type"].startswith("text/plain; version=")
    assert 'chat_rejected_total{reason="test"} 1.0' in response.text


async def test_a_program_has_pages_of_its_own(client: httpx.AsyncClient, readiness: Readiness) -> None:
    """Each is made anew for whoever asks; who asks for another is told of all."""
    readiness.dependency("logic").reached()

    assert (await client.get("/verdict")).json() == {"ready": True}
    assert (await client.get("/")).text == "/healthz, /readyz, /metrics, /verdict\n"


async def test_other_paths_and_methods_are_told_off(client: httpx.AsyncClient) -> None:
    """Unknown paths are 404, methods that change something 405, HEAD has no body."""
    assert (await client.get("/")).status_code == 404
    assert (await client.post("/healthz")).status_code == 405
    head = await client.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("request_head", [b"\x00\xff" * 10_000, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 20_000])
async def test_what_is_not_http_is_hung_up_on(port: int, client: httpx.AsyncClient, request_head: bytes) -> None:
    """Bytes that are no request head of at most 8 KiB end the connection, and nobody else's."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_head)

    assert await asyncio.wait_for(_rest(reader), 10) == b""
    writer.close()
    assert (await client.get("/healthz")).status_code == 200


async def test_connections_are_bounded(port: int, client: httpx.AsyncClient) -> None:
    """Over 64 connections the next is closed at once; those that say nothing are closed after 5 seconds."""
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]
    with pytest.raises(httpx.TransportError):
        await client.get("/healthz")

    assert await asyncio.wait_for(asyncio.gather(*(_rest(reader) for reader, _ in silent)), 15) == [b""] * 64
    for _, writer in silent:
        writer.close()
    assert (await client.get("/healthz")).status_code == 200


async def test_a_taken_port_is_a_wrong_setting(port: int, readiness: Readiness) -> None:
    """Who cannot have the port is told which setting moves it."""
    async with asyncio.TaskGroup() as tasks:
        with pytest.raises(WrongSetting, match=f"CHATCLUSTER_HEALTH_PORT is {port}"):
            await health.serve(Runner({}, tasks), health.Settings("127.0.0.1", port), readiness)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
