"""What every log answers to readers, and how much of a room it keeps."""

from chatcluster.core import ids
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.stores import Store
from support.talk import PLENTY, ROOM, at, bodies, draft, post, read


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
