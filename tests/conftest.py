"""Fixtures for all tests; what they are made of is in tests/support."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
import structlog
import uvloop

from chatcluster.local.redis import Server
from support import asyncapi, canaries, servers
from support.servers import RedisServer
from support.system import System, running

pytest_plugins = ["support.tiers", "support.cluster.fixtures"]

# How long an example takes says more of the machine than of the code: latencies are measured, never asserted.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("any-machine")

# Tests use gRPC and start processes: gRPC's handlers would hold the loop at every fork, for children that only exec.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test on the loop that the programs run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def watched_websockets() -> Iterator[None]:
    """Hold what v1's clients and gateways say on websockets to the AsyncAPI document."""
    with asyncapi.watched():
        yield


@pytest.fixture(autouse=True)
def documented_frames() -> Iterator[None]:
    """Fail a test in which something was said that the document does not have."""
    yield
    asyncapi.verdict()


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Fail a test in which a program, or a part of one in the test itself, logged a secret or what somebody said."""
    yield
    canaries.verdict()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Search what was written by the test's own process, before the fixtures above give their verdict."""
    report = yield
    if report.when == "call":
        canaries.search(item.name, report.capstdout + report.capstderr + report.caplog)
    return report


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Undo what a test does to the process' logging."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(params=servers.SERVERS, ids=str)
def redis_program(request: pytest.FixtureRequest) -> Server:
    """Return each real server of this machine in turn: a test that uses it runs once for each."""
    program: Server = request.param
    return program


@pytest.fixture
async def redis_server(redis_program: Server, tmp_path: Path) -> AsyncIterator[RedisServer]:
    """Yield a running server, empty, with an append-only file; once for each server of this machine."""
    async with servers.running(redis_program, tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def redis_cluster(redis_program: Server, tmp_path: Path) -> AsyncIterator[list[RedisServer]]:
    """Yield a Redis Cluster of three masters."""
    async with servers.running_cluster(redis_program, tmp_path / "cluster") as nodes:
        yield nodes


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """Yield a whole ChatCluster, ready: two each of logic, task and gateway, and one api."""
    async with running(tmp_path / "system") as system:
        yield system
