"""What every log does, publishing and reading: see log/log.py for the rules."""

import asyncio
import re

import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import UserId
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.stores import Store
from support.talk import BOB, GATEWAY, PLENTY, ROOM, at, bodies, draft, other_rooms, post, read, shard_of, waiting


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
    found = store.log(log.Limits(room_rate=2, room_burst=2))
    await post(found, ROOM, "a", "b")

    with pytest.raises(errors.RateLimited) as refused:
        await post(found, ROOM, "c")

    assert 0 < (refused.value.retry_after or 0) <= 1
    assert bodies(await read(found, ROOM)) == ["a", "b"]
    await post(found, ids.room(8), "d")
    await store.pass_time(0.55)
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


async def test_the_newest_are_read_without_a_position(store: Store) -> None:
    """At most the limit, in order, and complete after `after`."""
    found = store.log(PLENTY)
    newest = (await post(found, ROOM, "a", "b", "c"))[-1]

    history = await read(found, ROOM, limit=2)

    assert (bodies(history), history.after, history.recovered) == (["b", "c"], 1, True)
    assert history.position == newest
    assert (await read(found, ROOM)).after == 0


async def test_a_reader_reads_on(store: Store) -> None:
    """After its position, as far as the limit goes, and then on from there."""
    found = store.log(PLENTY)
    first, _, third, newest = await post(found, ROOM, "a", "b", "c", "d")

    history = await read(found, ROOM, first, limit=2)

    assert (bodies(history), history.after, history.recovered) == (["b", "c"], 1, True)
    assert history.position == newest
    assert bodies(await read(found, ROOM, third)) == ["d"]
    at_the_end = await read(found, ROOM, newest)
    assert (bodies(at_the_end), at_the_end.after, at_the_end.recovered) == ([], 4, True)


async def test_limit_zero_asks_for_the_position(store: Store) -> None:
    """With a position it still tells whether something is missing."""
    found = store.log(PLENTY)
    first, newest = await post(found, ROOM, "a", "b")

    without, known, lost = await found.history([
        log.Read(ROOM, None, 0), log.Read(ROOM, first, 0), log.Read(ROOM, at(first.epoch, 9), 0)
    ])  # fmt: skip

    assert not any(history.publications for history in (without, known, lost))
    assert (without.position, without.after, without.recovered) == (newest, 2, True)
    assert (known.after, known.recovered) == (1, True)
    assert (lost.after, lost.recovered) == (2, False)


async def test_a_room_that_never_was_is_not_created(store: Store) -> None:
    """It has no epoch; it is recovered for who has nothing of it."""
    found = store.log(PLENTY)
    reads = [log.Read(ROOM), log.Read(ROOM, pb.Position()), log.Read(ROOM, at("x", 0)), log.Read(ROOM, at("", 1))]

    for _ in range(2):
        histories = await found.history(reads)
        assert [history.position for history in histories] == [pb.Position()] * 4
        assert [history.recovered for history in histories] == [True, True, False, False]
        assert all(history.HasField("position") and not history.after for history in histories)


async def test_who_has_nothing_wants_everything(store: Store) -> None:
    """A reader at the beginning is recovered as long as the first publication is there."""
    found = store.log(log.Limits(history_size=2, history_min_age=0))
    await post(found, ROOM, "a", "b")

    everything = await read(found, ROOM, pb.Position())
    await post(found, ROOM, "c")
    too_late = await read(found, ROOM, pb.Position())

    assert (bodies(everything), everything.after, everything.recovered) == (["a", "b"], 0, True)
    assert (bodies(too_late), too_late.after, too_late.recovered) == (["b", "c"], 1, False)


async def test_a_read_has_a_bound_in_bytes(store: Store) -> None:
    """It stops before the bound, but always holds one; the reader goes on from there."""
    found = store.log(log.Limits(read_bytes=20))
    first, *_ = await post(found, ROOM, "a", "b", "c", "d")

    assert bodies(await read(found, ROOM, pb.Position())) == ["a", "b"]
    assert bodies(await read(found, ROOM, first)) == ["b", "c"]
    assert bodies(await read(store.log(log.Limits(read_bytes=1)), ROOM, first)) == ["b"]


async def test_more_than_one_script_reads_at_once(store: Store) -> None:
    """A long history is read whole."""
    found = store.log(PLENTY)
    names = [f"m{n}" for n in range(150)]
    await post(found, ROOM, *names)

    assert bodies(await read(found, ROOM, pb.Position(), limit=1000)) == names
    assert bodies(await read(found, ROOM, limit=100)) == names[50:]


async def test_answers_come_in_the_order_of_the_reads(store: Store) -> None:
    """Whatever shards the rooms are in, and however many they are."""
    found = store.log(PLENTY)
    rooms = [ids.room(number) for number in range(1, 151)]
    for room in rooms[::2]:
        await post(found, room, f"in {room}")

    histories = await found.history([log.Read(room) for room in rooms])

    assert [history.room for history in histories] == rooms
    assert [bodies(history) for history in histories[::2]] == [[f"in {room}"] for room in rooms[::2]]
    assert await found.history([]) == []


async def test_history_is_bounded_by_count(store: Store) -> None:
    """The newest stay; who has less than the oldest is told what is gone."""
    found = store.log(log.Limits(history_size=3, history_min_age=0))
    first, second, third, *_ = await post(found, ROOM, "a", "b", "c", "d", "e")

    assert bodies(await read(found, ROOM)) == ["c", "d", "e"]
    lost, kept = await read(found, ROOM, first), await read(found, ROOM, second)
    assert (lost.recovered, lost.after, bodies(lost)) == (False, 2, ["c", "d", "e"])
    assert (kept.recovered, kept.after, bodies(kept)) == (True, 2, ["c", "d", "e"])
    assert (await read(found, ROOM, third)).recovered


async def test_young_publications_do_not_count(store: Store) -> None:
    """Those younger than the minimum age stay over the count; when they are old the next publish drops them."""
    found = store.log(log.Limits(history_size=2, history_min_age=1))
    await post(found, ROOM, "a", "b", "c", "d")
    assert bodies(await read(found, ROOM)) == ["a", "b", "c", "d"]

    await store.pass_time(1)
    await post(found, ROOM, "e")

    assert bodies(await read(found, ROOM)) == ["d", "e"]


async def test_history_is_bounded_by_bytes(store: Store) -> None:
    """A hard bound: also for the young, and for a room whose count is low."""
    found = store.log(log.Limits(history_bytes=27, history_min_age=3600))
    await post(found, ROOM, "a", "b", "c")
    assert bodies(await read(found, ROOM)) == ["a", "b", "c"]

    await post(found, ROOM, "d")
    assert bodies(await read(found, ROOM)) == ["b", "c", "d"]
    await found.publish(draft(ROOM, "long", text="x" * 10))
    assert bodies(await read(found, ROOM)) == ["d", "x" * 10]


async def test_many_old_publications_go_in_time(store: Store) -> None:
    """What has piled up over the count is dropped by the publications that follow."""
    found = store.log(log.Limits(history_size=1, history_min_age=0.4, room_rate=1e6, room_burst=10**6))
    await post(found, ROOM, *(f"m{n}" for n in range(140)))
    await store.pass_time(0.4)

    await post(found, ROOM, "x", "y")

    assert bodies(await read(found, ROOM, limit=1000)) == ["x", "y"]


async def test_history_goes_before_the_meta(store: Store) -> None:
    """After its time the history is gone and told as lost; the room goes on counting in its epoch."""
    found = store.log(log.Limits(history_ttl=0.3))
    first, second = await post(found, ROOM, "a", "b")
    await store.pass_time(0.31)

    lost, kept = await read(found, ROOM, first), await read(found, ROOM, second)

    assert (lost.recovered, lost.after, bodies(lost)) == (False, 2, [])
    assert (kept.recovered, kept.position) == (True, second)
    assert await post(found, ROOM, "c") == [at(first.epoch, 3)]
    assert bodies(await read(found, ROOM, second)) == ["c"]


async def test_a_history_that_is_gone_has_no_bytes(store: Store) -> None:
    """What comes after it has the whole bound to itself."""
    found = store.log(log.Limits(history_ttl=0.3, history_bytes=27))
    await post(found, ROOM, "a", "b", "c")
    await store.pass_time(0.31)

    await found.publish(draft(ROOM, "d"))
    later = store.log(log.Limits(history_bytes=27))
    await post(later, ROOM, "e", "f")

    assert bodies(await read(later, ROOM)) == ["d", "e", "f"]


async def test_history_lives_on_while_there_are_publications(store: Store) -> None:
    """Its time counts from the last one."""
    found = store.log(log.Limits(history_ttl=1.2))
    for name in "abc":
        await post(found, ROOM, name)
        await store.pass_time(0.5)

    assert bodies(await read(found, ROOM)) == ["a", "b", "c"]


async def test_a_restart_costs_nobody_a_reload(store: Store) -> None:
    """A server with another identity has a later epoch, in which readers of the one before go on."""
    found = store.log(PLENTY)
    first, second = await post(found, ROOM, "a", "b")
    await store.restart()

    third = (await post(found, ROOM, "c"))[0]
    history = await read(found, ROOM, first)

    assert third.epoch > first.epoch
    assert third.offset == 3
    assert (history.recovered, history.after, history.position) == (True, 1, third)
    assert [publication.epoch for publication in history.publications] == [second.epoch, third.epoch]


async def test_what_redis_lost_is_told(store: Store) -> None:
    """Who has more of an epoch than was left of it is not recovered, and gets all that came after."""
    found = store.log(PLENTY)
    kept = (await post(found, ROOM, "a"))[0]
    saved = await store.save()
    lost = (await post(found, ROOM, "lost", "lost too"))[-1]
    await store.roll_back(saved)
    await post(found, ROOM, "b", "c", "d")

    told, untouched = await read(found, ROOM, lost), await read(found, ROOM, kept)

    assert (told.recovered, told.after, bodies(told)) == (False, 1, ["b", "c", "d"])
    assert (untouched.recovered, untouched.after, bodies(untouched)) == (True, 1, ["b", "c", "d"])


async def test_a_lost_message_can_be_published_again(store: Store) -> None:
    """Its id was lost with it."""
    found = store.log(PLENTY)
    saved = await store.save()
    await post(found, ROOM, "a")
    await store.roll_back(saved)

    assert not (await found.publish(draft(ROOM, "a"))).repeated
    assert bodies(await read(found, ROOM)) == ["a"]


async def test_a_room_that_redis_lost_is_told(store: Store) -> None:
    """A reader of a room that no longer is has nothing; once it is there again all of it is new."""
    found = store.log(PLENTY)
    saved = await store.save()
    lost = (await post(found, ROOM, "a"))[0]
    await store.roll_back(saved)

    assert not (await read(found, ROOM, lost)).recovered

    position = (await post(found, ROOM, "b"))[0]
    history = await read(found, ROOM, lost)
    assert position.epoch > lost.epoch
    assert (history.recovered, history.after, bodies(history)) == (False, 0, ["b"])


async def test_a_reader_of_a_later_epoch_is_told(store: Store) -> None:
    """Its epoch is later than the room's: everything since the room's last epoch began is new to it."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    await store.restart()
    await post(found, ROOM, "c")

    history = await read(found, ROOM, at("9999999999999.00000000.00000000", 1))

    assert (history.recovered, history.after, bodies(history)) == (False, 2, ["c"])


async def test_a_position_in_an_unknown_epoch_is_told(store: Store) -> None:
    """An epoch between those of the room is not one of them, whatever the offset."""
    found = store.log(PLENTY)
    first = (await post(found, ROOM, "a"))[0]
    await store.restart()
    await post(found, ROOM, "b")

    history = await read(found, ROOM, at(first.epoch + "0", 0))
    nameless = await read(found, ROOM, at("", 1))

    assert (history.recovered, history.after, bodies(history)) == (False, 1, ["b"])
    assert (nameless.recovered, nameless.after, bodies(nameless)) == (False, 0, ["a", "b"])


async def test_lost_epoch_and_lost_history_meet(store: Store) -> None:
    """What is new to the reader may itself be gone in part: the later of the two offsets counts."""
    found = store.log(log.Limits(history_size=2, history_min_age=0))
    saved_at = (await post(found, ROOM, "a"))[0]
    saved = await store.save()
    lost = (await post(found, ROOM, "lost"))[0]
    await store.roll_back(saved)
    await post(found, ROOM, "b", "c", "d")

    for position in (lost, saved_at):
        history = await read(found, ROOM, position)
        assert (history.recovered, history.after, bodies(history)) == (False, 2, ["c", "d"])


async def test_a_room_knows_its_last_eight_epochs(store: Store) -> None:
    """Positions in any of them are good; in the ninth last no more."""
    found = store.log(PLENTY)
    positions = []
    for number in range(10):
        positions += await post(found, ROOM, f"m{number}")
        await store.restart()

    await post(found, ROOM, "now")
    histories = await found.history([log.Read(ROOM, position) for position in positions])

    assert [history.recovered for history in histories] == [False] * 3 + [True] * 7
    assert bodies(histories[3]) == [*(f"m{number}" for number in range(4, 10)), "now"]
    assert [publication.epoch for publication in histories[3].publications[:-1]] == [p.epoch for p in positions[4:]]


async def test_an_epoch_is_recorded_when_a_room_is_first_touched(store: Store) -> None:
    """A reader's look is a touch: from then on the base is where the room stood."""
    found = store.log(PLENTY)
    first = (await post(found, ROOM, "a"))[0]
    await store.restart()

    seen = (await read(found, ROOM)).position
    await store.restart()
    await post(found, ROOM, "b")

    assert seen.epoch > first.epoch
    history = await read(found, ROOM, seen)
    assert (history.recovered, bodies(history)) == (True, ["b"])
    assert not (await read(found, ROOM, at(seen.epoch, 2))).recovered
