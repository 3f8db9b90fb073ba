"""The three ports on a real Redis Cluster: no script touches two slots, and moved slots are followed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from chatcluster.accounts.redis import RedisAccounts
from chatcluster.core import errors, ids, redis
from chatcluster.core.ids import RoomName, ShardId, UserId
from chatcluster.core.redis_settings import Mode, Settings
from chatcluster.log import log
from chatcluster.log.redis import RedisLog
from chatcluster.presence.redis import RedisPresence
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.eventually import eventually
from support.servers import PASSWORD, RedisServer
from support.talk import ANN, GATEWAY, PLENTY, bodies, draft, post, read

PREFIX = "chat:test"
SHARDS = 16
ROOMS = [ids.room(number) for number in range(1, 65)]


@pytest.fixture
async def client(redis_cluster: list[RedisServer]) -> AsyncIterator[redis.Client]:
    """Yield a client that knows one node only."""
    nodes = (("127.0.0.1", redis_cluster[1].port),)
    made = redis.Client(Settings(nodes=nodes, mode=Mode.CLUSTER, password=PASSWORD))
    yield made
    await made.aclose()


@pytest.fixture
def found(client: redis.Client) -> RedisLog:
    """Return a log on the cluster."""
    return RedisLog(client, PREFIX, SHARDS, PLENTY)


async def test_every_node_is_checked(client: redis.Client, redis_cluster: list[RedisServer]) -> None:
    """And looked at for its memory."""
    await client.check()

    assert set(await client.memory()) == {f"127.0.0.1:{node.port}" for node in redis_cluster}
    assert {client.node_of(f"{{{PREFIX}:{shard}}}:shard") for shard in range(SHARDS)} <= set(await client.memory())


async def test_publishing_and_reading(found: RedisLog, redis_cluster: list[RedisServer]) -> None:
    """Rooms of all shards at once; every node has some of them."""
    await asyncio.gather(*(post(found, room, "a", "b") for room in ROOMS))

    histories = await found.history([log.Read(room) for room in ROOMS])

    assert [bodies(history) for history in histories] == [["a", "b"]] * len(ROOMS)
    for node in redis_cluster:
        async with node.client() as raw:
            assert await raw.dbsize()


async def test_dispatch_of_every_shard(found: RedisLog) -> None:
    """A task's whole round: own, read, look up, copy across slots, move on, set aside."""
    registered = await found.register(GATEWAY, 1, [log.Read(room) for room in ROOMS])
    assert all(answer.accepted for answer in registered)
    await asyncio.gather(*(post(found, room, "a", "b") for room in ROOMS))

    for shard in map(ShardId, range(SHARDS)):
        ownership = await found.acquire(shard, "task")
        assert ownership
        entries = await found.entries(shard, ownership.cursor, 1000, 1)
        publications = {e.id: e.publication for e in entries if e.publication and not e.publication.HasField("origin")}
        rooms = [RoomName(publication.room) for publication in publications.values()]
        assert set((await found.holders(shard, rooms)).rooms.values()) <= {frozenset({GATEWAY})}
        for id_, publication in publications.items():
            await found.copy(shard, [log.Copy(ids.inbox(ANN), id_, publication)])
        if entries:
            await found.set_aside(ownership, entries[0], "because")
            assert await found.renew(ownership)
            assert await found.advance(ownership, entries[-1])
        await found.release(ownership)

    assert len((await read(found, ids.inbox(ANN), limit=1000)).publications) == 2 * len(ROOMS)
    await found.unregister(GATEWAY, 2, ROOMS)
    assert await found.push(pb.Ephemeral(room=ROOMS[0]))
    await found.order(pb.Control(room=ids.inbox(ANN)))


async def test_presence(client: redis.Client) -> None:
    """Leases in one slot, rooms in others."""
    found = RedisPresence(client, PREFIX, SHARDS)
    await found.acquire(GATEWAY, "host:1")
    reports = [logic_pb2.GatewayPresence(room=room, count=1, user_ids=[5], number=1) for room in ROOMS]

    told = await found.report(GATEWAY, reports)
    await found.pushed([reported.presence for reported in told])

    assert all(reported.changed and reported.presence.count == 1 for reported in told)
    assert (await found.room(ROOMS[5])).count == 1
    assert await found.beat("task") == ["task"]
    assert await found.renew(GATEWAY)
    await found.release(GATEWAY)
    assert (await found.room(ROOMS[5])).count == 0


async def test_accounts(client: redis.Client) -> None:
    """Sessions are spread over slots; many are looked up at once."""
    found = RedisAccounts(client, PREFIX)
    ann = await found.create("ann", "hash")
    await found.replace_hash(ann, "new hash")
    sessions = [bytes([number]) * 32 for number in range(256)]
    for session in sessions[::2]:
        await found.open_session(session, ann, 60)

    assert await found.ended(sessions) == sessions[1::2]
    assert await found.revoke(sessions[0])
    assert await found.allow("login", "::1", 1, 1)
    assert await found.name_of(UserId(1)) == "ann"
    account = await found.by_name("ann")
    assert account
    assert account.password_hash == "new hash"


async def test_a_slot_that_moves_is_followed(found: RedisLog, redis_cluster: list[RedisServer]) -> None:
    """While a shard moves to another node nothing is lost and nothing doubled; the new node has an epoch of its own."""
    room = ROOMS[0]
    key = f"{{{PREFIX}:{ids.shard_of(room, SHARDS)}}}:shard"
    first = (await post(found, room, "a"))[0]

    await _move(redis_cluster, key_slot(key.encode()))
    published = await found.publish(draft(room, "b"))
    repeated = await found.publish(draft(room, "a"))
    history = await read(found, room, first)

    assert published.position.epoch > first.epoch
    assert repeated.position == first
    assert (history.recovered, bodies(history)) == (True, ["b"])


async def test_publishing_waits_while_a_slot_moves(found: RedisLog, redis_cluster: list[RedisServer]) -> None:
    """With half of a shard's keys here and half there nothing can be executed; it is, once they are together again."""
    room = ROOMS[0]
    key = f"{{{PREFIX}:{ids.shard_of(room, SHARDS)}}}:shard"
    await post(found, room, "a")
    tasks: list[asyncio.Task[list[pb.Position]]] = []

    async def publish() -> None:
        tasks.extend(asyncio.create_task(post(found, room, f"m{number}")) for number in range(10))
        await asyncio.wait(tasks, timeout=0.2)
        assert not any(task.done() for task in tasks)

    await _move(redis_cluster, key_slot(key.encode()), publish)
    await asyncio.gather(*tasks)

    history = await read(found, room)
    assert [publication.offset for publication in history.publications] == list(range(1, 12))
    assert sorted(bodies(history)) == sorted(["a", *(f"m{number}" for number in range(10))])


async def _nothing() -> None:
    pass


async def _move(
    nodes: list[RedisServer], slot: int, half_way: Callable[[], Coroutine[None, None, None]] = _nothing
) -> None:
    """Move a slot with all its keys to the next node."""
    raws = [node.client() for node in nodes]
    names = [str(await raw.execute_command("CLUSTER", "MYID")) for raw in raws]
    counts = [int(await raw.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)) for raw in raws]
    source = counts.index(max(counts))
    target = (source + 1) % len(nodes)
    await raws[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
    await raws[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
    keys = await raws[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
    destination = ("127.0.0.1", nodes[target].port, "", 0, 5000, "AUTH", PASSWORD, "KEYS")
    await raws[source].execute_command("MIGRATE", *destination, *keys[:2])
    await half_way()
    await raws[source].execute_command("MIGRATE", *destination, *keys[2:])
    for raw in (raws[target], raws[source], *raws):
        await raw.execute_command("CLUSTER", "SETSLOT", slot, "NODE", names[target])
    for raw in raws:
        await raw.aclose()


async def test_a_node_that_is_away(found: RedisLog, redis_cluster: list[RedisServer]) -> None:
    """Its shards fail, without a word of what was not executed; when it is back with its data they go on."""
    await asyncio.gather(*(post(found, room, "a") for room in ROOMS))
    await redis_cluster[0].stop()

    outcomes = await asyncio.gather(*(post(found, room, "b") for room in ROOMS), return_exceptions=True)

    failed = [room for room, outcome in zip(ROOMS, outcomes, strict=True) if isinstance(outcome, BaseException)]
    assert failed
    assert all(isinstance(o, list | errors.Unavailable | errors.OutcomeUnknown) for o in outcomes)
    await redis_cluster[0].start()
    await eventually(lambda: _all_stored(found, "b"), within=30)
    histories = await found.history([log.Read(room) for room in ROOMS])
    assert [bodies(history) for history in histories] == [["a", "b"]] * len(ROOMS)


async def _all_stored(found: RedisLog, message_id: str) -> bool:
    outcomes = await asyncio.gather(*(post(found, room, message_id) for room in ROOMS), return_exceptions=True)
    return not any(isinstance(outcome, BaseException) for outcome in outcomes)


async def test_raw_scripts_across_slots_are_refused(redis_cluster: list[RedisServer]) -> None:
    """The cluster would have told if a script of ours had touched two slots."""
    async with redis_cluster[0].client() as raw:
        assert isinstance(raw, Redis)
        with pytest.raises(Exception, match="CROSSSLOT|slot"):
            await raw.execute_command("EVALSHA", "0" * 40, 2, "{a}:x", "{b}:y")
