"""What every log does for task: owning shards, reading entries, moving the cursor."""

import asyncio

import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import ShardId, UserId
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.stores import Store
from support.talk import PLENTY, ROOM, post, read, shard_of, waiting

SHARD = shard_of(ROOM)


async def own(found: log.Log, shard: ShardId = SHARD) -> log.Ownership:
    """Take a shard that is free."""
    ownership = await found.acquire(shard, "task-0")
    assert ownership is not None
    return ownership


async def test_a_shard_has_one_owner(store: Store) -> None:
    """While a lease lives nobody else gets the shard; other shards are free."""
    found = store.log(PLENTY)
    ownership = await own(found)

    assert await found.acquire(SHARD, "task-1") is None
    assert (ownership.shard, ownership.cursor, ownership.takeovers) == (SHARD, ids.ZERO, 0)
    assert ownership.epoch == (await found.holders(SHARD, [])).epoch
    assert await found.acquire(ShardId((SHARD + 1) % found.shards), "task-1")


async def test_a_lease_is_renewed(store: Store) -> None:
    """As long as nobody else took the shard."""
    found = store.log(PLENTY)
    ownership = await own(found)
    assert await found.renew(ownership)
    await store.end_lease(SHARD)
    taken = await own(found)

    assert not await found.renew(ownership)
    assert await found.renew(taken)
    assert taken.token != ownership.token


async def test_a_released_shard_is_free_at_once(store: Store) -> None:
    """And the next owner counts no takeover."""
    found = store.log(PLENTY)
    await found.release(await own(found))

    assert (await own(found)).takeovers == 0


async def test_takeovers_at_one_cursor_are_counted(store: Store) -> None:
    """In a row, after leases that expired; a cursor that moved begins a new row, a clean release ends it."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    entry = (await waiting(found, ROOM))[0]
    counts = [(await own(found)).takeovers]
    for _ in range(2):
        await store.end_lease(SHARD)
        counts.append((await own(found)).takeovers)

    await store.end_lease(SHARD)
    ownership = await own(found)
    assert await found.advance(ownership, entry)
    await store.end_lease(SHARD)
    moved = await own(found)
    await found.release(moved)

    assert counts == [0, 1, 2]
    assert (ownership.takeovers, moved.takeovers, moved.cursor) == (3, 1, entry.id)
    assert (await own(found)).takeovers == 0


async def test_takeovers_of_a_shard_with_nothing_to_do_are_not_counted(store: Store) -> None:
    """What comes next is not to blame for them."""
    found = store.log(PLENTY)
    for _ in range(3):
        ownership = await own(found)
        await store.end_lease(SHARD)
    await post(found, ROOM, "a")
    first = await own(found)
    assert await found.advance(first, (await waiting(found, ROOM))[0])
    await store.end_lease(SHARD)

    assert (ownership.takeovers, first.takeovers, (await own(found)).takeovers) == (0, 1, 0)


async def test_a_new_epoch_ends_an_ownership(store: Store) -> None:
    """It is noticed by renewing; the owner gives the shard up and begins anew at once."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    entry = (await waiting(found, ROOM))[0]
    before = await own(found)
    await store.restart()

    assert not await found.renew(before)
    assert not await found.advance(before, entry)
    await found.release(before)
    after = await own(found)

    assert after.epoch > before.epoch
    assert (after.cursor, after.takeovers) == (ids.ZERO, 0)


async def test_a_late_owner_does_no_harm(store: Store) -> None:
    """Who lost the shard moves no cursor and gives up nothing."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    entry = (await waiting(found, ROOM))[0]
    late = await own(found)
    await store.end_lease(SHARD)
    owner = await own(found)

    assert not await found.advance(late, entry)
    await found.release(late)

    assert await found.acquire(SHARD, "task-2") is None
    assert (await found.backlog(SHARD)).entries == 1
    assert await found.renew(owner)


async def test_an_owner_that_redis_forgot_does_no_harm(store: Store) -> None:
    """Redis came back from before its lease, and gave another one: that is not its own."""
    found = store.log(PLENTY)
    await own(found, ShardId(SHARD))
    await store.end_lease(SHARD)
    saved = await store.save()
    forgotten = await own(found)
    await store.roll_back(saved)
    owner = await own(found)

    await found.release(forgotten)

    assert await found.acquire(SHARD, "task-2") is None
    assert await found.renew(owner)
    assert not await found.renew(forgotten)


async def test_entries_come_in_order(store: Store) -> None:
    """After an id, at most so many, with running totals; of all three kinds."""
    found = store.log(PLENTY)
    ephemeral = pb.Ephemeral(room=ROOM, count=pb.RoomPresence(room=ROOM, count=3))
    inbox = next(ids.inbox(UserId(n)) for n in range(1, 100) if shard_of(ids.inbox(UserId(n))) == SHARD)
    control = pb.Control(room=inbox, revoke_session=b"\x00\xff" * 16)
    await post(found, ROOM, "a")
    assert await found.push(ephemeral)
    await found.order(control)
    await post(found, ROOM, "b")

    entries = await waiting(found, ROOM)

    assert [entry.id for entry in entries] == sorted({entry.id for entry in entries})
    assert [(entry.total, entry.size) for entry in entries] == [
        (1, 9), (2, ephemeral.ByteSize()), (3, control.ByteSize()), (4, 9)
    ]  # fmt: skip
    assert entries[-1].total_bytes == sum(entry.size for entry in entries)
    assert entries[1].ephemeral == ephemeral
    assert entries[2].control == control
    assert not any(entry.poison for entry in entries)
    assert await found.entries(SHARD, entries[0].id, 2, 0) == entries[1:3]
    assert await found.entries(SHARD, entries[-1].id, 2, 0) == []


async def test_advancing_shortens_the_backlog(store: Store) -> None:
    """The cursor moves to the entry, never back, and the next owner begins there."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b", "c")
    entries = await waiting(found, ROOM)
    ownership = await own(found)
    assert (await found.backlog(SHARD)).entries == 3

    assert await found.advance(ownership, entries[1])
    assert await found.advance(ownership, entries[0])

    backlog = await found.backlog(SHARD)
    assert (backlog.entries, backlog.bytes, backlog.dead_letters) == (1, 9, 0)
    await found.release(ownership)
    assert (await own(found)).cursor == entries[1].id
    assert await found.advance(await _taken(store, found), entries[2])
    assert await found.backlog(SHARD) == log.Backlog(0, 0, 0, 0)


async def _taken(store: Store, found: log.Log) -> log.Ownership:
    await store.end_lease(SHARD)
    return await own(found)


async def test_the_backlog_has_an_age(store: Store) -> None:
    """That of the first entry after the cursor."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    await store.pass_time(0.2)
    await post(found, ROOM, "b")
    oldest = (await found.backlog(SHARD)).oldest_ms

    assert await found.advance(await own(found), (await waiting(found, ROOM))[0])

    assert oldest >= 200
    assert (await found.backlog(SHARD)).oldest_ms < oldest


async def test_the_backlog_outlives_a_restart(store: Store) -> None:
    """Entries from before the epoch still wait, and are counted once."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    await store.restart()
    await post(found, ROOM, "c")

    assert (await found.backlog(SHARD)).entries == 3
    entries = await waiting(found, ROOM)
    assert await found.advance(await own(found), entries[1])
    assert (await found.backlog(SHARD)).entries == 1


async def test_entries_stay_a_while_behind_the_cursor(store: Store) -> None:
    """And what lies after it stays however old it is."""
    found = store.log(log.Limits(dispatch_retention=1))
    await post(found, ROOM, "a", "b", "c", "d")
    entries = await waiting(found, ROOM)
    ownership = await own(found)
    assert await found.advance(ownership, entries[1])
    assert len(await waiting(found, ROOM)) == 4

    await store.pass_time(1.01)
    assert await found.advance(ownership, entries[2])

    assert [entry.id for entry in await waiting(found, ROOM)] == [entries[2].id, entries[3].id]


async def test_reading_does_not_wait_for_what_is_there(store: Store) -> None:
    """The wait is for the first entry only."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")

    async with asyncio.timeout(5):
        assert len(await found.entries(SHARD, ids.ZERO, 10, 30)) == 1


async def test_ephemerals_are_dropped_early(store: Store) -> None:
    """From half of what publications may fill; controls are never refused."""
    found = store.log(log.Limits(dispatch_entries=4))
    ephemeral = pb.Ephemeral(room=ROOM)
    inbox = next(ids.inbox(UserId(n)) for n in range(1, 100) if shard_of(ids.inbox(UserId(n))) == SHARD)

    assert [await found.push(ephemeral) for _ in range(4)] == [True, True, True, False]
    for number in range(3):
        await found.order(pb.Control(room=inbox, revoke_session=bytes([number])))
    with pytest.raises(errors.Busy):
        await post(found, ROOM, "a")

    assert (await found.backlog(SHARD)).entries == 6
    assert not (await read(found, ROOM)).publications


async def test_an_entry_is_set_aside_once(store: Store) -> None:
    """However often that is said."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    one, two = await waiting(found, ROOM)
    ownership = await own(found)

    for entry in (one, two, one):
        await found.set_aside(ownership, entry, "because")

    assert (await found.backlog(SHARD)).dead_letters == 2
