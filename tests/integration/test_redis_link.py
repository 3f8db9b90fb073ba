"""The connection that all operations share: each gets its own answer, and whoever gives up hurts nobody else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest
from redis import exceptions

from chatcluster.core import redis_connections
from chatcluster.core.redis_link import Node, NotConnected
from chatcluster.core.redis_settings import Settings
from support.eventually import eventually
from support.servers import PASSWORD, RedisServer

PATIENCE = 0.5


@pytest.fixture
async def node(redis_server: RedisServer) -> AsyncIterator[Node]:
    """Yield the way to a server of the test's own."""
    address = ("127.0.0.1", redis_server.port)
    made = redis_connections.node(Settings(nodes=(address,), password=PASSWORD, timeout=PATIENCE), address)
    yield made
    await made.aclose()


async def _links(server: RedisServer) -> int:
    """How many connections of the product the server has."""
    async with server.client() as raw:
        return len(await raw.client_list()) - 1


async def outcomes(*steps: Awaitable[Any]) -> list[Any]:
    """What each returned or raised."""
    return await asyncio.gather(*steps, return_exceptions=True)


async def test_many_share_one_connection(node: Node, redis_server: RedisServer) -> None:
    """A thousand commands of one turn of the loop are answered each with its own, over one connection."""
    answers = await asyncio.gather(*(node.execute("ECHO", f"word-{number}") for number in range(1000)))

    assert answers == [f"word-{number}".encode() for number in range(1000)]
    assert await _links(redis_server) == 1


async def test_commands_are_executed_in_their_order(node: Node) -> None:
    """As they were given, without waiting for answers."""
    answers = await asyncio.gather(*(node.execute("INCR", "n") for _ in range(100)))

    assert answers == list(range(1, 101))


async def test_a_refusal_is_only_its_own(node: Node) -> None:
    """What the server refuses of one command is raised there; its neighbours are answered."""
    commands = (("SET", "s", "text"), ("INCR", "s"), ("GET", "s"))
    before, refused, after = await outcomes(*(node.execute(*words) for words in commands))

    assert (before, after) == (b"OK", b"text")
    assert isinstance(refused, exceptions.ResponseError)


async def test_who_gives_up_early_hurts_nobody(node: Node, redis_server: RedisServer) -> None:
    """A caller that is cancelled leaves its answer behind; the others get theirs, over the same connection."""
    await node.execute("PING")
    given_up = asyncio.create_task(node.execute("DEBUG", "SLEEP", "0.2"))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(node.execute("ECHO", "mine"))
    await asyncio.sleep(0)

    given_up.cancel()

    assert await waiting == b"mine"
    assert await _links(redis_server) == 1


async def test_a_silent_server_is_given_up(node: Node, redis_server: RedisServer) -> None:
    """Who waited in vain for as long as anybody would have closes the connection; the next one makes another."""
    await node.execute("PING")
    redis_server.pause()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await node.execute("PING")
    redis_server.resume()

    assert await node.execute("ECHO", "again") == b"again"
    await eventually(lambda: _is_one(redis_server), within=10)


async def _is_one(server: RedisServer) -> bool:
    return await _links(server) == 1


async def test_a_lost_connection_is_told_to_all(node: Node, redis_server: RedisServer) -> None:
    """Commands that were sent may have been executed; one that was not says so."""
    link = await node.shared()
    sent = [asyncio.create_task(node.execute("BLPOP", f"nothing-{number}", 0)) for number in range(3)]
    await eventually(lambda: _is_blocked(redis_server), within=10)

    link.call(("PING",)).add_done_callback(asyncio.Future.exception)
    unsent = link.call(("PING",))
    link.abort()

    found = await outcomes(*sent, unsent, link.call(("PING",)))
    assert all(isinstance(outcome, exceptions.ConnectionError) for outcome in found)
    assert [isinstance(outcome, NotConnected) for outcome in found] == [False, False, False, True, True]


async def _is_blocked(server: RedisServer) -> bool:
    async with server.client() as raw:
        return bool((await raw.info("clients"))["blocked_clients"])


async def test_a_master_that_was_demoted_is_left(node: Node, redis_server: RedisServer) -> None:
    """Its refusal is the last thing that its connection brings, so that the next one goes to the new master."""
    link = await node.shared()
    async with redis_server.client() as raw:
        await raw.replicaof("127.0.0.1", "1")

    refused, read = await outcomes(link.call(("SET", "a", "b")), link.call(("PING",)))

    assert isinstance(refused, exceptions.ReadOnlyError)
    assert read == b"PONG"
    assert not link.is_usable
    assert await node.shared() is not link


async def test_a_command_that_blocks_is_alone(node: Node, redis_server: RedisServer) -> None:
    """It holds up nobody; its connection is used again when it has its answer, and closed when nobody waits for it."""
    await node.execute("PING")
    blocked = asyncio.create_task(node.execute("BLPOP", "list", 0, alone=True))
    await eventually(lambda: _is_blocked(redis_server), within=10)

    assert await node.execute("RPUSH", "list", "x") == 1
    assert await blocked == [b"list", b"x"]
    assert await node.execute("PING", alone=True) == b"PONG"
    assert await _links(redis_server) == 2

    blocked = asyncio.create_task(node.execute("BLPOP", "list", 0, alone=True))
    await eventually(lambda: _is_blocked(redis_server), within=10)
    blocked.cancel()
    await eventually(lambda: _is_one(redis_server), within=10)
