"""What every log does with dead letters: keep them, list them, and put them back into dispatch."""

from dataclasses import replace
from typing import Any

from chatcluster.core import ids
from chatcluster.core.ids import ShardId, StreamId, UserId
from chatcluster.log import log, wire
from chatcluster.v1 import types_pb2 as pb
from support.stores import RedisStore, Store
from support.talk import PLENTY, ROOM, bodies, post, read, shard_of, waiting

SHARD = shard_of(ROOM)
INBOX = ids.inbox(UserId(5))
TALK = ids.conversation(UserId(5), UserId(6))


async def set_aside(found: log.Log, shard: ShardId, *entries: log.Entry, reason: str = "because") -> None:
    """Set entries of a shard aside."""
    ownership = await found.acquire(shard, "task-0")
    assert ownership is not None
    for entry in entries:
        await found.set_aside(ownership, entry, reason)
    await found.release(ownership)


async def replayed(found: log.Log) -> log.Copy:
    """The copy that the newest entry of the conversation wants."""
    entry = (await waiting(found, TALK))[-1]
    assert entry.publication is not None
    return log.Copy(INBOX, entry.id, entry.publication, entry.replayed)


async def test_dead_letters_are_listed(store: Store) -> None:
    """Oldest first, as they stand in dispatch, with their reason and time."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b", "c")
    one, two, three = await waiting(found, ROOM)
    await set_aside(found, SHARD, two, reason="torn")
    await set_aside(found, SHARD, three, one)

    letters = await found.dead_letters(SHARD, 10)

    assert [(letter.entry, letter.reason) for letter in letters] == [
        (two, "torn"),
        (three, "because"),
        (one, "because"),
    ]
    assert all(letter.time_ms >= letter.entry.id.ms for letter in letters)
    assert await found.dead_letters(SHARD, 2) == letters[:2]
    assert await found.dead_letters(ShardId((SHARD + 1) % found.shards), 10) == []


async def test_entry_that_is_gone_leaves_no_dead_letter(store: Store) -> None:
    """There is nothing to keep."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    [entry] = await waiting(found, ROOM)

    await set_aside(found, SHARD, replace(entry, id=StreamId(entry.id.ms + 1, 0)))

    assert await found.dead_letters(SHARD, 10) == []


async def test_replayed_entry_stands_behind_all_others(store: Store) -> None:
    """The same publication under a new id, marked as replayed, and counted; it is a dead letter no more."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    one, two = await waiting(found, ROOM)
    await set_aside(found, SHARD, one, two)

    assert await found.replay(SHARD, one.id)

    *_, before, again = await waiting(found, ROOM)
    assert (before, again.id > two.id) == (two, True)
    assert replace(again, id=one.id, total=1, total_bytes=one.total_bytes, replayed=False) == one
    assert (again.replayed, again.total, again.total_bytes) == (True, 3, two.total_bytes + one.size)
    assert [letter.entry for letter in await found.dead_letters(SHARD, 10)] == [two]
    assert (await found.backlog(SHARD)).entries == 3


async def test_dead_letter_is_replayed_once(store: Store) -> None:
    """And what is none is not replayed."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    one, two = await waiting(found, ROOM)
    await set_aside(found, SHARD, one)

    assert [await found.replay(SHARD, entry.id) for entry in (one, one, two)] == [True, False, False]
    assert len(await waiting(found, ROOM)) == 3


async def test_entry_may_become_a_dead_letter_again(store: Store) -> None:
    """Under its new id; and be replayed again."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    for _ in range(2):
        await set_aside(found, SHARD, (await waiting(found, ROOM))[-1])
        [letter] = await found.dead_letters(SHARD, 10)
        assert await found.replay(SHARD, letter.entry.id)

    assert [entry.replayed for entry in await waiting(found, ROOM)] == [False, True, True]


async def test_dead_letter_is_discarded(store: Store) -> None:
    """Once, and for good: it is neither listed nor counted nor replayed; others are left, and so is history."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b", "c")
    one, two, three = await waiting(found, ROOM)
    await set_aside(found, SHARD, one, two)

    assert [await found.discard(SHARD, entry.id) for entry in (one, one, three)] == [True, False, False]

    assert [letter.entry for letter in await found.dead_letters(SHARD, 10)] == [two]
    assert (await found.backlog(SHARD)).dead_letters == 1
    assert not await found.replay(SHARD, one.id)
    assert await waiting(found, ROOM) == [one, two, three]
    assert bodies(await read(found, ROOM)) == ["a", "b", "c"]


async def test_discarded_entry_may_become_a_dead_letter_again(store: Store) -> None:
    """A task that had it in hand may set it aside once more: nothing remembers that it was thrown away."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")
    [entry] = await waiting(found, ROOM)
    for _ in range(2):
        await set_aside(found, SHARD, entry)
        assert await found.discard(SHARD, entry.id)

    assert await found.dead_letters(SHARD, 10) == []


async def test_controls_and_ephemerals_are_replayed(store: Store) -> None:
    """As they were."""
    found = store.log(PLENTY)
    control = pb.Control(room=ids.inbox(UserId(1)), revoke_session=b"s" * 32)
    shard = shard_of(ids.inbox(UserId(1)))
    await found.order(control)
    [entry] = await found.entries(shard, ids.ZERO, 10, 0)
    await set_aside(found, shard, entry)
    await found.replay(shard, entry.id)

    assert [entry.control for entry in await found.entries(shard, ids.ZERO, 10, 0)] == [control, control]


async def test_replayed_private_publication_is_copied_where_it_is_missing(store: Store) -> None:
    """However much was copied after it, in whatever epoch; and once."""
    found = store.log(PLENTY)
    await post(found, TALK, "a", "b")
    one, two = [entry for entry in await waiting(found, TALK) if entry.publication]
    await set_aside(found, shard_of(TALK), one)
    assert two.publication is not None
    await found.copy(shard_of(TALK), [log.Copy(INBOX, two.id, two.publication)])
    await store.restart()
    await post(found, TALK, "c")
    await found.copy(shard_of(TALK), [await replayed(found)])
    await found.replay(shard_of(TALK), one.id)
    copy = await replayed(found)
    assert copy.replayed

    for _ in range(2):
        await found.copy(shard_of(TALK), [copy])
    await post(found, TALK, "d")
    await found.copy(shard_of(TALK), [await replayed(found)])

    history = await read(found, INBOX)
    assert bodies(history) == ["b", "c", "a", "d"]
    assert [publication.origin.offset for publication in history.publications] == [2, 3, 1, 4]


async def test_replayed_private_publication_is_not_copied_where_it_is(store: Store) -> None:
    """The task may have died after copying it."""
    found = store.log(PLENTY)
    await post(found, TALK, "a")
    [entry] = [entry for entry in await waiting(found, TALK) if entry.publication]
    assert entry.publication is not None
    await found.copy(shard_of(TALK), [log.Copy(INBOX, entry.id, entry.publication)])
    await set_aside(found, shard_of(TALK), entry)
    await found.replay(shard_of(TALK), entry.id)

    await found.copy(shard_of(TALK), [await replayed(found)])

    assert bodies(await read(found, INBOX)) == ["a"]


async def test_what_nobody_can_decode_is_kept_and_replayed_as_it_is(redis_store: RedisStore) -> None:
    """With every field, even those that are called like a dead letter's own."""
    found = redis_store.log(PLENTY)
    keys = wire.Keys(redis_store.prefix)
    strange = {"id": "mine", "reason": "none", "n": "7", "what": b"\xff"}
    raw: Any = redis_store.raw
    await raw.xadd(keys.dispatch(SHARD), strange)
    [entry] = await waiting(found, ROOM)
    await set_aside(found, SHARD, entry, reason=entry.poison or "")

    [letter] = await found.dead_letters(SHARD, 10)
    assert (letter.entry, letter.reason) == (entry, entry.poison)
    assert await found.replay(SHARD, entry.id)

    [_, (_, fields)] = await raw.xrange(keys.dispatch(SHARD))
    assert {name: fields[name] for name in (b"id", b"reason", b"what")} == {
        b"id": b"mine", b"reason": b"none", b"what": b"\xff",
    }  # fmt: skip
