"""What only a real server shows of the log: bad data, restarts of the process, a cut file, and what is left behind."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatcluster.core import ids, redis
from chatcluster.core.ids import ShardId, UserId
from chatcluster.log import log, wire
from chatcluster.log.redis import RedisLog
from chatcluster.v1 import types_pb2 as pb
from support import stores
from support.servers import RedisServer
from support.stores import SHARDS, RedisStore
from support.talk import GATEWAY, PLENTY, ROOM, at, bodies, draft, post, read, shard_of, waiting

SHARD = shard_of(ROOM)


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """Yield a store on a server of the test's own."""
    async with stores.redis_store(redis_server.port) as made:
        yield made


@pytest.fixture
def keys(store: RedisStore) -> wire.Keys:
    """Return the keys of its log."""
    return wire.Keys(store.prefix)


async def own(found: log.Log) -> log.Ownership:
    """Take the room's shard."""
    ownership = await found.acquire(SHARD, "task-0")
    assert ownership
    return ownership


async def test_bad_entries_are_told_and_set_aside(store: RedisStore, keys: wire.Keys) -> None:
    """Whatever stands in the stream, what is around it is read; and it is kept as it was."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    bad: list[dict[Any, Any]] = [{b"what": b"\xff"}, {f"f{n}": "x" for n in range(3000)}, {"k": "p", "n": "9" * 40}]
    for fields in bad:
        await store.raw.xadd(keys.dispatch(SHARD), fields)
    await post(found, ROOM, "b")

    entries = await waiting(found, ROOM)

    assert [entry.poison is None for entry in entries] == [True, False, False, False, True]
    ownership = await own(found)
    for entry in entries[1:4]:
        await found.set_aside(ownership, entry, entry.poison or "")
        assert await found.advance(ownership, entry)
    dead: Any = await store.raw.xrange(keys.dead(SHARD))
    assert [fields[b"id"].decode() for _, fields in dead] == [str(entry.id) for entry in entries[1:4]]
    assert [fields[b"reason"].decode() for _, fields in dead] == [entry.poison for entry in entries[1:4]]
    assert dead[0][1][b"what"] == b"\xff"
    assert await found.advance(ownership, entries[4])
    assert await found.backlog(SHARD) == log.Backlog(0, 0, 0, 3)


async def test_dead_letters_are_bounded(store: RedisStore, keys: wire.Keys) -> None:
    """The oldest go first, and their ids with them."""
    found = store.log(PLENTY)
    await post(found, ROOM, *(f"m{number}" for number in range(6)))
    entries = await waiting(found, ROOM)
    script = redis.Script.load("chatcluster.log", "set_aside")
    names = [keys.state(SHARD), keys.dispatch(SHARD), keys.dead(SHARD), keys.dead_ids(SHARD)]

    for entry in entries:
        assert await store.client.run(script, names, [str(entry.id), "x", 3]) == 1
    assert await store.client.run(script, names, [str(entries[5].id), "x", 3]) == 0
    assert await store.client.run(script, names, ["1-1", "x", 3]) == 0

    left = {str(entry.id).encode() for entry in entries[3:]}
    dead: Any = await store.raw.xrange(keys.dead(SHARD))
    assert {fields[b"id"] for _, fields in dead} == left
    assert set(await store.raw.hkeys(keys.dead_ids(SHARD))) == left


async def test_a_restart_of_the_process(redis_server: RedisServer, store: RedisStore) -> None:
    """A new run id is a new epoch; nobody reloads, and the owner begins anew at the cursor."""
    found = store.log(PLENTY)
    first, _ = await post(found, ROOM, "a", "b")
    ownership = await own(found)
    assert await found.advance(ownership, (await waiting(found, ROOM))[0])
    await redis_server.restart()

    history = await read(found, ROOM, first)

    assert history.position.epoch > first.epoch
    assert (history.recovered, bodies(history)) == (True, ["b"])
    assert not await found.renew(ownership)
    await found.release(ownership)
    assert (await own(found)).cursor == (await waiting(found, ROOM))[0].id
    assert (await found.publish(draft(ROOM, "b"))).repeated


async def test_a_clock_that_went_back(store: RedisStore, keys: wire.Keys) -> None:
    """Epochs rise all the same: the number follows the one before."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    await store.raw.hset(keys.state(SHARD), "epoch", "2999999999998.aaaaaaaa")
    await store.restart()

    assert (await own(found)).epoch.startswith("2999999999999.")


async def test_a_file_that_was_cut(redis_server: RedisServer, store: RedisStore) -> None:
    """The server comes back without its last writes: whoever has them is told, and all others go on."""
    found = store.log(PLENTY)
    kept = (await post(found, ROOM, "a", "b"))[-1]
    await redis_server.stop()
    whole = redis_server.append_only_files[-1].stat().st_size
    await redis_server.start()
    lost = (await post(found, ROOM, "c", "d"))[-1]
    registered = (await found.register(GATEWAY, 1, [log.Read(ROOM)]))[0]
    await redis_server.stop()
    os.truncate(redis_server.append_only_files[-1], whole)
    await redis_server.start()

    await post(found, ROOM, "e", "f")

    told, untouched = await read(found, ROOM, lost), await read(found, ROOM, kept)
    assert (told.recovered, told.after, bodies(told)) == (False, 2, ["e", "f"])
    assert (untouched.recovered, bodies(untouched)) == (True, ["e", "f"])
    again = (await found.register(GATEWAY, 2, [log.Read(ROOM)]))[0]
    assert again.shard_epoch > registered.shard_epoch
    assert (await found.publish(draft(ROOM, "c"))).position.offset == 5


async def test_a_restored_backup(redis_server: RedisServer, store: RedisStore) -> None:
    """A whole day may be gone: it is the same as a cut file."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    saved = await store.save()
    lost = (await post(found, ROOM, *(f"m{number}" for number in range(20))))[-1]
    await redis_server.restart()
    await store.roll_back(saved)

    history = await read(found, ROOM, lost)

    assert (history.recovered, history.after, history.position.offset) == (False, 1, 1)
    assert not (await read(found, ROOM, at(history.position.epoch, 2))).recovered


async def test_every_key_goes_in_time(store: RedisStore) -> None:
    """Only a shard's own few keys have no end."""
    found = store.log(PLENTY)
    inbox = ids.inbox(UserId(5))
    await post(found, ROOM, "a")
    await found.register(GATEWAY, 1, [log.Read(ROOM), log.Read(ids.room(8))])
    await found.unregister(GATEWAY, 2, [ids.room(9)])
    entry = (await waiting(found, ROOM))[0]
    assert entry.publication
    await found.copy(SHARD, [log.Copy(inbox, entry.id, entry.publication)])
    await found.push(pb.Ephemeral(room=ROOM))
    await found.order(pb.Control(room=inbox))
    ownership = await own(found)
    await found.set_aside(ownership, entry, "x")

    lasting = {key.decode() async for key in store.raw.scan_iter() if await store.raw.pttl(key) == -1}

    names = ("shard", "dispatch", "dead", "dead-ids")
    assert lasting <= {f"{{{store.prefix}:{shard}}}:{name}" for shard in range(SHARDS) for name in names}


async def test_expiries_are_as_set(store: RedisStore, keys: wire.Keys) -> None:
    """History by its last publication, meta a day later, registrations and message ids by their own."""
    limits = log.Limits(history_ttl=1000, idempotency_ttl=100, registration_ttl=700)
    found = store.log(limits)
    await post(found, ROOM, "a")
    await found.register(GATEWAY, 1, [log.Read(ROOM), log.Read(ids.room(8))])

    async def lives(key: str) -> float:
        return round(await store.raw.pttl(key) / 1000)

    other = shard_of(ids.room(8))
    assert await lives(keys.history(SHARD, ROOM)) == 1000
    assert await lives(keys.room(SHARD, ROOM)) == 1000 + 86400
    assert await lives(keys.sent(SHARD, draft(ROOM, "a"))) == 100
    assert await lives(keys.created(SHARD, 1)) == 86400
    assert await lives(keys.registrations(SHARD, ROOM)) == 700
    assert await lives(keys.room(other, ids.room(8))) == 700


async def test_two_clusters_on_one_server(store: RedisStore) -> None:
    """Their prefixes keep them apart."""
    one, other = store.log(PLENTY), RedisLog(store.client, store.prefix + "0", SHARDS, PLENTY)
    await post(one, ROOM, "a")

    assert (await read(other, ROOM)).position == pb.Position()
    assert not (await waiting(other, ROOM))
    assert await other.acquire(ShardId(SHARD), "task")
    assert await one.acquire(ShardId(SHARD), "task")
