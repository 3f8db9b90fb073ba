"""The client of Redis against servers that fail: what may have been executed is never told as if it was not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from chatcluster.core import errors, ids, redis
from chatcluster.core.redis_settings import Mode, Settings
from chatcluster.local.redis import Server
from chatcluster.log import log
from chatcluster.log.redis import RedisLog
from chatcluster.task import servers as figures
from chatcluster.v1 import types_pb2 as pb
from support import servers, stores
from support.eventually import eventually
from support.servers import PASSWORD, RedisServer
from support.stores import RedisStore
from support.talk import GATEWAY, PLENTY, ROOM, bodies, draft, post, read, shard_of, waiting

KEY = "{t}:key"


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """Yield a store on a server of the test's own."""
    async with stores.redis_store(redis_server.port) as made:
        yield made


def script(text: str, *, repeatable: bool = False) -> redis.Script:
    """A script that is not in a file."""
    return redis.Script("test", text, "0" * 40, repeatable)


Connect = Callable[..., redis.Client]


@pytest.fixture
async def client() -> AsyncIterator[Connect]:
    """Yield what makes clients with little patience, which are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(port: int, **settings: Any) -> redis.Client:
            usual: dict[str, Any] = {"nodes": (("127.0.0.1", port),), "password": PASSWORD, "timeout": 0.5}
            made = redis.Client(Settings(**(usual | settings)))
            stack.push_async_callback(made.aclose)
            return made

        yield make


def errors_of(operation: str) -> float:
    """How many failures were counted."""
    return REGISTRY.get_sample_value("chat_redis_errors_total", {"operation": operation}) or 0


async def test_nothing_listens(redis_server: RedisServer, client: Connect) -> None:
    """Nothing was sent: unavailable, and counted."""
    await redis_server.kill()
    found = client(redis_server.port)
    before = errors_of("test")

    with pytest.raises(errors.Unavailable):
        await found.run(script("#!lua\nreturn 1"), [KEY])

    assert errors_of("test") == before + 1


async def test_a_server_that_stays_silent(redis_server: RedisServer, store: RedisStore, client: Connect) -> None:
    """Who wrote does not know; who read only has no answer. When it goes on, so do they."""
    found = RedisLog(client(redis_server.port), store.prefix, 4, PLENTY)
    await post(found, ROOM, "a")
    redis_server.pause()

    with pytest.raises(errors.OutcomeUnknown):
        await post(found, ROOM, "b")
    assert [history.error for history in await found.history([log.Read(ROOM)])] == ["unavailable"]
    with pytest.raises(errors.Unavailable):
        await found.register(GATEWAY, 1, [log.Read(ROOM)])
    redis_server.resume()

    assert (await found.publish(draft(ROOM, "b"))).position.offset == 2
    assert bodies(await read(found, ROOM)) == ["a", "b"]


async def test_a_server_that_hangs_before_the_handshake(redis_server: RedisServer, client: Connect) -> None:
    """A connection that never was carried nothing."""
    redis_server.pause()
    found = client(redis_server.port, timeout=5)

    with pytest.raises(errors.Unavailable):
        await found.run(script("#!lua\nreturn 1"), [KEY])


async def test_a_server_that_dies_in_the_middle(redis_server: RedisServer, client: Connect) -> None:
    """The command was sent, and nobody will answer."""
    found = client(redis_server.port, timeout=20)
    slow = script("#!lua\nwhile true do end")
    running = asyncio.create_task(found.run(slow, [KEY]))
    async with redis_server.client() as raw:
        await eventually(lambda: _is_busy(raw), within=20)

    await redis_server.kill()

    with pytest.raises(errors.OutcomeUnknown):
        await running


async def _is_busy(raw: Redis) -> bool:
    try:
        await raw.get("key")
    except ResponseError as exc:
        return "BUSY" in str(exc)
    return False


async def test_a_busy_server_refuses(redis_server: RedisServer, client: Connect) -> None:
    """It says to others that it runs something else: nothing was executed."""
    found = client(redis_server.port, timeout=20)
    running = asyncio.create_task(found.run(script("#!lua\nwhile true do end"), [KEY]))
    async with redis_server.client() as raw:
        await eventually(lambda: _is_busy(raw), within=20)

        with pytest.raises(errors.Unavailable):
            await client(redis_server.port).run(script("#!lua\nreturn 1"), [KEY])
        await raw.execute_command("SCRIPT", "KILL")

    with pytest.raises(errors.OutcomeUnknown):
        await running


async def test_connections_survive_a_restart(redis_server: RedisServer, store: RedisStore) -> None:
    """The first command after a restart finds the old connections closed, and a new one."""
    found = store.log(PLENTY)
    await asyncio.gather(*(post(found, ROOM, f"m{number}") for number in range(8)))
    await redis_server.restart()

    assert len((await read(found, ROOM)).publications) == 8
    await post(found, ROOM, "after")


async def test_scripts_are_loaded_again(store: RedisStore) -> None:
    """A server that lost its scripts gets them with the call that needs them."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    await store.raw.script_flush()

    await asyncio.gather(*(post(found, ROOM, f"m{number}") for number in range(8)))

    assert len((await read(found, ROOM)).publications) == 9


async def test_a_replica_refuses(redis_server: RedisServer, store: RedisStore) -> None:
    """A master that was demoted executes nothing."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    await store.raw.replicaof("127.0.0.1", str(redis_server.port))

    with pytest.raises(errors.Unavailable):
        await post(found, ROOM, "b")
    await store.raw.replicaof("NO", "ONE")

    await post(found, ROOM, "b")
    assert bodies(await read(found, ROOM)) == ["a", "b"]


async def test_too_few_replicas(store: RedisStore) -> None:
    """A master that may not write alone executes nothing."""
    found = store.log(PLENTY)
    await store.raw.config_set("min-replicas-to-write", 1)

    with pytest.raises(errors.Unavailable):
        await post(found, ROOM, "a")

    await store.raw.config_set("min-replicas-to-write", 0)
    assert not (await found.publish(draft(ROOM, "a"))).repeated


async def test_a_wrong_password(redis_server: RedisServer, client: Connect) -> None:
    """It is refused with the server's words, and the password is not among them."""
    found = client(redis_server.port, password="a-wrong-one")

    with pytest.raises(errors.Unavailable) as refused:
        await found.run(script("#!lua\nreturn 1"), [KEY])

    assert "WRONGPASS" in str(refused.value) or "invalid username-password" in str(refused.value)
    assert "a-wrong-one" not in str(refused.value)


async def test_a_script_that_fails_on_its_way(redis_server: RedisServer, client: Connect) -> None:
    """It may have written before: a bug is not told as a refusal, and not as something that will pass."""
    found = client(redis_server.port)
    broken = "#!lua\nredis.call('SET', KEYS[1], 'x') return redis.call('LPUSH', KEYS[1], 1)"

    with pytest.raises(errors.OutcomeUnknown) as unknown:
        await found.run(script(broken), [KEY])
    with pytest.raises(errors.Unavailable) as unavailable:
        await found.run(script(broken, repeatable=True), [KEY])

    assert unknown.value.lasting
    assert unavailable.value.lasting


async def test_a_full_server_is_busy_and_can_be_drained(redis_program: Server, tmp_path: Path) -> None:
    """Publishing stops, a repeat is still told as stored, and everything that empties the server goes on."""
    async with (
        servers.running(redis_program, tmp_path, {"maxmemory": "100mb"}) as server,
        stores.redis_store(server.port) as store,
    ):
        found = store.log(PLENTY)
        shard = shard_of(ROOM)
        stored = await found.publish(draft(ROOM, "a"))
        await store.raw.config_set("maxmemory", "1mb")

        with pytest.raises(errors.Busy) as refused:
            await post(found, ROOM, "b")
        assert not isinstance(refused.value, errors.Unavailable)
        assert await found.publish(draft(ROOM, "a")) == log.Published(stored.position, stored.time_ms, repeated=True)
        with pytest.raises(errors.Conflict):
            await found.publish(draft(ROOM, "a", text="other"))

        ownership = await found.acquire(shard, "task")
        assert ownership
        assert (await found.register(GATEWAY, 1, [log.Read(ROOM)]))[0].accepted
        await found.unregister(GATEWAY, 2, [ROOM])
        entry = (await waiting(found, ROOM))[0]
        assert entry.publication
        await found.copy(shard, [log.Copy(draft(ROOM, "a").room, entry.id, entry.publication)])
        await found.set_aside(ownership, entry, "because")
        assert await found.renew(ownership)
        assert await found.advance(ownership, entry)
        assert bodies(await read(found, ROOM)) == ["a", "a"]


async def test_publishing_stops_before_the_server_is_full(redis_program: Server, tmp_path: Path) -> None:
    """Above the fraction of maxmemory the log refuses by itself; ephemerals are dropped; controls go through."""
    async with (
        servers.running(redis_program, tmp_path, {"maxmemory": "100mb"}) as server,
        stores.redis_store(server.port) as store,
    ):
        found = store.log(log.Limits(memory_fraction=0.00001))
        stored = await found.publish(draft(ROOM, "a"))
        watching = asyncio.create_task(found.watch())

        await eventually(lambda: found.is_full(ROOM), within=10)

        with pytest.raises(errors.Busy):
            await post(found, ROOM, "b")
        assert await found.publish(draft(ROOM, "a")) == log.Published(stored.position, stored.time_ms, repeated=True)
        assert not await found.push(pb.Ephemeral(room=ROOM))
        await found.order(pb.Control(room=ROOM))
        watching.cancel()


async def test_a_server_without_a_limit_is_never_full(store: RedisStore) -> None:
    """maxmemory 0 means none."""
    assert list((await store.client.memory()).values()) == [0]


async def test_what_a_server_says_of_itself(store: RedisStore) -> None:
    """All that task shows of it, from both kinds."""
    (said,) = (await store.client.information(*figures.SECTIONS)).values()
    shown = figures.Servers(0.85)
    shown.show({"here": said})

    assert REGISTRY.get_sample_value("chat_redis_aof_last_write_ok", {"node": "here"}) == 1
    assert (REGISTRY.get_sample_value("chat_redis_memory_used_bytes", {"node": "here"}) or 0) > 100_000
    shown.show({})


async def test_the_server_is_checked(store: RedisStore) -> None:
    """Both kinds are new enough."""
    await store.client.check()


async def test_a_cluster_is_not_taken_for_a_single_server(redis_cluster: list[RedisServer], client: Connect) -> None:
    """The setting that is wrong is named."""
    found = client(redis_cluster[0].port)

    with pytest.raises(redis.UnsupportedServer, match="CHATCLUSTER_REDIS_MODE=cluster"):
        await found.check()


async def test_a_single_server_is_not_taken_for_a_cluster(redis_server: RedisServer, client: Connect) -> None:
    """It stays unavailable, with the reason."""
    found = client(redis_server.port, mode=Mode.CLUSTER)

    with pytest.raises(errors.Unavailable, match="[Cc]luster"):
        await found.check()


async def test_operations_wait_for_their_turn(redis_server: RedisServer, client: Connect) -> None:
    """More than may run at once wait; those for whom it takes too long were not sent."""
    found = client(redis_server.port, concurrency=1, timeout=1)
    answers = await asyncio.gather(*(found.run(script("#!lua\nreturn 7"), [KEY]) for _ in range(50)))
    assert answers == [7] * 50

    redis_server.pause()
    outcomes = await asyncio.gather(
        *(found.run(script("#!lua\nreturn 1"), [KEY]) for _ in range(2)), return_exceptions=True
    )

    assert {type(outcome) for outcome in outcomes} == {errors.OutcomeUnknown, errors.Busy}


async def test_waiting_for_entries_ends_with_the_first(store: RedisStore) -> None:
    """A reader that waits is told at once, and one that waits in vain gets nothing."""
    found = store.log(PLENTY)
    shard = shard_of(ROOM)
    assert await found.entries(shard, ids.ZERO, 10, 0.05) == []
    waits = asyncio.create_task(found.entries(shard, ids.ZERO, 10, 30))

    await post(found, ROOM, "a")

    async with asyncio.timeout(10):
        assert len(await waits) == 1
