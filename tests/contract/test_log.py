"""What every log does with publications: offsets, message ids, rates, and when it is full."""

import asyncio
import re

import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import UserId
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.stores import Store
from support.talk import BOB, GATEWAY, PLENTY, ROOM, bodies, draft, other_rooms, post, read, shard_of, waiting


async def test_offsets_count_from_one_in_each_room(store: Store) -> None:
    """Positions of a room have one epoch and rise by one; another room counts for itself."""
    found = store.log(PLENTY)
    first, second, third = await post(found, ROOM, "a", "b", "c")
    other = (await post(found, ids.room(8), "d"))[0]

    assert [first.offset, second.offset, third.offset, other.offset] == [1, 2, 3, 1]
    assert first.epoch == second.epoch == third.epoch
    assert re.fullmatch(r"[0-9]{13}\.[0-9a-f]{8}\.[0-9a-f]{6,8}", first.epoch)


async def test_a_publication_is_in_history_and_dispatch(store: Store) -> None:
    """What publish answers is what both of them hold."""
    found = store.log(PLENTY)

    published = await found.publish(draft(ROOM, "a"))

    kept = (await read(found, ROOM)).publications[0]
    assert not published.repeated
    assert (kept.room, kept.epoch, kept.offset) == (ROOM, published.position.epoch, 1)
    assert (kept.time_ms, kept.body) == (published.time_ms, b"body of a")
    assert [entry.publication for entry in await waiting(found, ROOM)] == [kept]


async def test_a_message_id_is_published_once(store: Store) -> None:
    """A repeat is told where the first attempt put it, and stores nothing."""
    found = store.log(PLENTY)
    first = await found.publish(draft(ROOM, "a"))
    await post(found, ROOM, "b")

    again = await found.publish(draft(ROOM, "a"))

    assert again == log.Published(first.position, first.time_ms, repeated=True)
    assert bodies(await read(found, ROOM)) == ["a", "b"]
    assert len(await waiting(found, ROOM)) == 2


async def test_a_message_id_with_another_text_is_a_conflict(store: Store) -> None:
    """It is refused, and the first stays."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a")

    with pytest.raises(errors.Conflict):
        await found.publish(draft(ROOM, "a", text="other"))

    assert bodies(await read(found, ROOM)) == ["a"]


async def test_a_message_id_belongs_to_a_room_and_a_sender(store: Store) -> None:
    """The same id of another sender, or in another room, is another message."""
    found = store.log(PLENTY)
    neighbour = other_rooms(shard_of(ROOM), 1)[0]
    await post(found, ROOM, "a")

    assert not (await found.publish(draft(ROOM, "a", BOB))).repeated
    assert not (await found.publish(draft(neighbour, "a"))).repeated


async def test_a_message_id_is_forgotten_in_time(store: Store) -> None:
    """After the time that it is remembered for it is a new message."""
    found = store.log(log.Limits(idempotency_ttl=0.2))
    await post(found, ROOM, "a")
    await store.pass_time(0.2)

    again = await found.publish(draft(ROOM, "a"))

    assert (again.position.offset, again.repeated) == (2, False)


async def test_publishing_at_once_leaves_no_hole(store: Store) -> None:
    """However many publish to a room at once, each gets an offset of its own."""
    found = store.log(PLENTY)

    stored = await asyncio.gather(*(found.publish(draft(ROOM, f"m{n}", UserId(n + 1))) for n in range(40)))

    assert sorted(published.position.offset for published in stored) == list(range(1, 41))
    assert [publication.offset for publication in (await read(found, ROOM)).publications] == list(range(1, 41))


async def test_a_room_has_a_rate(store: Store) -> None:
    """Over its burst it is refused with the time to wait, stores nothing, and goes on as tokens come back."""
    found = store.log(log.Limits(room_rate=0.5, room_burst=2))
    await post(found, ROOM, "a", "b")

    with pytest.raises(errors.RateLimited) as refused:
        await post(found, ROOM, "c")

    assert 0 < (refused.value.retry_after or 0) <= 2
    assert bodies(await read(found, ROOM)) == ["a", "b"]
    await post(found, ids.room(8), "d")
    await store.pass_time(2.1)
    await post(found, ROOM, "c")
    with pytest.raises(errors.RateLimited):
        await post(found, ROOM, "e")


async def test_a_repeat_costs_no_token(store: Store) -> None:
    """A retry of what was stored is answered even when the room is over its rate."""
    found = store.log(log.Limits(room_rate=0.01, room_burst=1))
    await post(found, ROOM, "a")

    assert (await found.publish(draft(ROOM, "a"))).repeated


async def test_new_rooms_are_rationed(store: Store) -> None:
    """A user begins so many rooms in a shard and day; known rooms and other users go on."""
    found = store.log(log.Limits(rooms_per_user=2))
    one, two, three = other_rooms(0, 3)
    await post(found, one, "a", "a2", "a3")
    await post(found, two, "b")

    with pytest.raises(errors.RateLimited) as refused:
        await post(found, three, "c")

    assert (refused.value.retry_after or 0) > 86_000
    assert (await read(found, three)).position == pb.Position()
    await post(found, one, "d")
    await found.publish(draft(three, "c", BOB))
    await post(found, three, "e")


async def test_joining_a_room_first_evades_no_ration(store: Store) -> None:
    """A room counts as new until something was published in it, even if a gateway has registered for it."""
    found = store.log(log.Limits(rooms_per_user=1))
    one, two = other_rooms(0, 2)
    await found.register(GATEWAY, 1, [log.Read(one), log.Read(two)])
    await post(found, one, "a")

    with pytest.raises(errors.RateLimited):
        await post(found, two, "b")


async def test_publishing_stops_at_the_cap_of_entries(store: Store) -> None:
    """A full dispatch stream refuses as busy and stores nothing, until the cursor has moved."""
    found = store.log(log.Limits(dispatch_entries=2))
    shard = shard_of(ROOM)
    await post(found, ROOM, "a")
    assert not await found.is_full(ROOM)
    await post(found, ROOM, "b")
    assert await found.is_full(ROOM)

    with pytest.raises(errors.Busy):
        await post(found, ROOM, "c")

    assert bodies(await read(found, ROOM)) == ["a", "b"]
    ownership = await found.acquire(shard, "task")
    assert ownership
    assert await found.advance(ownership, (await waiting(found, ROOM))[0])
    await post(found, ROOM, "c")


async def test_publishing_stops_at_the_cap_of_bytes(store: Store) -> None:
    """The same in bytes; other shards are not touched."""
    found = store.log(log.Limits(dispatch_bytes=15))
    other = other_rooms(1 - shard_of(ROOM) % 2, 1)[0]
    await post(found, ROOM, "a", "b")

    with pytest.raises(errors.Busy):
        await post(found, ROOM, "c")

    assert await found.is_full(ROOM)
    await post(found, other, "d")


async def test_a_repeat_is_never_busy(store: Store) -> None:
    """Busy would say that it is not stored."""
    found = store.log(log.Limits(dispatch_entries=1))
    await post(found, ROOM, "a")

    assert (await found.publish(draft(ROOM, "a"))).repeated
    with pytest.raises(errors.Conflict):
        await found.publish(draft(ROOM, "a", text="other"))


async def test_an_earlier_attempt_can_be_looked_up(store: Store) -> None:
    """It is found as a repeat would find it; what was never stored is busy, and is not stored by that."""
    found = store.log(PLENTY)
    first = await found.publish(draft(ROOM, "a"))

    assert await found.look_up(draft(ROOM, "a")) == log.Published(first.position, first.time_ms, repeated=True)
    with pytest.raises(errors.Conflict):
        await found.look_up(draft(ROOM, "a", text="other"))
    with pytest.raises(errors.Busy) as busy:
        await found.look_up(draft(ROOM, "b"))
    assert busy.value.retry_after
    assert bodies(await read(found, ROOM)) == ["a"]
