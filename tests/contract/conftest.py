"""Every contract test runs on memory and on each real server of this machine."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from chatcluster.local.redis import Server
from support import servers, stores
from support.servers import RedisServer
from support.stores import MemoryStore, RedisStore, Store

_SERVERS = [pytest.param(server, id=str(server), marks=pytest.mark.process) for server in servers.SERVERS]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Server], RedisServer]]:
    """Yield what starts a server when it is first asked for; to start one for each test would take minutes."""
    started: dict[Server, RedisServer] = {}

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        def server(program: Server) -> RedisServer:
            if program not in started:
                context = servers.running(program, tmp_path_factory.mktemp("redis"))
                started[program] = runner.run(stack.enter_async_context(context))
            return started[program]

        yield server
        runner.run(stack.aclose())


@pytest.fixture(params=[pytest.param(None, id="memory"), *_SERVERS])
def place(request: pytest.FixtureRequest, start: Callable[[Server], RedisServer]) -> RedisServer | None:
    """Return a running server, or None for memory."""
    return start(request.param) if request.param else None


@pytest.fixture
async def store(place: RedisServer | None) -> AsyncIterator[Store]:
    """Yield an empty store: in memory, and on each server."""
    if place is None:
        yield MemoryStore()
    else:
        async with stores.redis_store(place.port) as made:
            yield made


@pytest.fixture(params=_SERVERS)
def server(request: pytest.FixtureRequest, start: Callable[[Server], RedisServer]) -> RedisServer:
    """Return a running server, each kind in turn."""
    return start(request.param)


@pytest.fixture
async def redis_store(server: RedisServer) -> AsyncIterator[RedisStore]:
    """Yield an empty store on each server, for what only a real one can show."""
    async with stores.redis_store(server.port) as made:
        yield made
