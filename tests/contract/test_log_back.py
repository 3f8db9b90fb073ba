"""What every log does when it is read backwards: see log/log.py for the rules."""

import pytest

from chatcluster.log import log
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.stores import Store
from support.talk import PLENTY, ROOM, at, bodies, post, read


async def before(found: log.Log, position: pb.Position, limit: int = 100) -> logic_pb2.RoomHistory:
    """The page before a position."""
    return (await found.history([log.Read(ROOM, None, limit, position)]))[0]


async def test_a_page_is_what_comes_just_before(store: Store) -> None:
    """Oldest first, and complete from after `after` up to the position."""
    found = store.log(PLENTY)
    *_, fourth, newest = await post(found, ROOM, "a", "b", "c", "d", "e")

    page = await before(found, fourth, limit=2)

    assert (bodies(page), page.after, page.recovered, page.more) == (["b", "c"], 1, True, True)
    assert page.position == newest


async def test_pages_lead_to_the_beginning(store: Store) -> None:
    """Each goes on before the first of the last one, until there is no more; none is shown twice."""
    found = store.log(PLENTY)
    names = [f"m{n}" for n in range(150)]
    await post(found, ROOM, *names)

    page = await read(found, ROOM, limit=70)
    shown = bodies(page)
    while page.more:
        page = await before(found, at(page.position.epoch, page.after + 1), limit=70)
        shown = bodies(page) + shown

    assert shown == names
    assert not bodies(await before(found, at(page.position.epoch, 1)))


@pytest.mark.parametrize(("limit", "more"), [(2, True), (3, False), (4, False)])
async def test_the_newest_tell_whether_there_is_more_before(store: Store, limit: int, more: bool) -> None:
    """Without a position the direction is back."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b", "c")

    assert (await read(found, ROOM, limit=limit)).more is more


async def test_reading_on_tells_whether_there_is_more_after(store: Store) -> None:
    """With a position the direction is forward."""
    found = store.log(PLENTY)
    first, *_, last = await post(found, ROOM, "a", "b", "c")

    assert [(await read(found, ROOM, first, limit)).more for limit in (0, 1, 2)] == [True, True, False]
    assert not (await read(found, ROOM, last)).more


async def test_limit_zero_back_asks_for_the_position(store: Store) -> None:
    """And whether there is something before."""
    found = store.log(PLENTY)
    first, second = await post(found, ROOM, "a", "b")

    nothing, something = await before(found, first, 0), await before(found, second, 0)

    assert (bodies(nothing), nothing.after, nothing.more) == ([], 0, False)
    assert (bodies(something), something.after, something.more) == ([], 1, True)
    assert something.position == second


async def test_a_bound_in_bytes_leaves_out_what_is_farthest(store: Store) -> None:
    """A page, and the newest, hold what is nearest to where they begin; one in any case."""
    found = store.log(log.Limits(read_bytes=20))
    *_, last = await post(found, ROOM, "a", "b", "c", "d")

    assert [(bodies(page), page.after, page.more) for page in (await before(found, last), await read(found, ROOM))] == [
        (["b", "c"], 1, True),
        (["c", "d"], 2, True),
    ]
    assert bodies(await before(store.log(log.Limits(read_bytes=1)), last)) == ["c"]


async def test_what_is_gone_ends_the_paging(store: Store) -> None:
    """It is no loss that a reader of older pages has to reload for."""
    found = store.log(log.Limits(history_size=2, history_min_age=0))
    first, _, third, fourth = await post(found, ROOM, "a", "b", "c", "d")

    last, empty, below = [await before(found, position) for position in (fourth, third, first)]

    assert (bodies(last), last.after, last.recovered, last.more) == (["c"], 2, True, False)
    assert (bodies(empty), empty.after, empty.recovered, empty.more) == ([], 2, True, False)
    assert (bodies(below), below.recovered, below.more) == ([], True, False)


async def test_a_history_that_is_over_has_no_more(store: Store) -> None:
    """Also where the room still counts."""
    found = store.log(log.Limits(history_ttl=0.3))
    await post(found, ROOM, "a", "b")
    await store.pass_time(0.31)

    newest = await read(found, ROOM)

    assert (bodies(newest), newest.after, newest.more) == ([], 2, False)


async def test_a_position_that_the_room_has_not_shows_the_newest(store: Store) -> None:
    """Beyond the end, and in an epoch that never was: the page ends where both agree, and is not recovered."""
    found = store.log(PLENTY)
    _, newest = await post(found, ROOM, "a", "b")

    beyond = await before(found, at(newest.epoch, 9))
    strange = await before(found, at("9999999999999.x.x", 2))

    assert (bodies(beyond), beyond.recovered) == (["a", "b"], False)
    assert not strange.recovered
    assert (await before(found, pb.Position())).recovered


async def test_an_epoch_that_is_over_is_read_back_from(store: Store) -> None:
    """As far as the room still has what was said in it, nothing is lost."""
    found = store.log(PLENTY)
    _, second, third = await post(found, ROOM, "a", "b", "c")
    await store.restart()
    await post(found, ROOM, "d")

    page = await before(found, third)

    assert (bodies(page), page.recovered) == (["a", "b"], True)
    assert page.publications[-1].epoch == second.epoch


async def test_what_redis_lost_is_told_to_who_reads_back(store: Store) -> None:
    """The page ends at the last publication that reader and room have in common."""
    found = store.log(PLENTY)
    await post(found, ROOM, "a", "b")
    saved = await store.save()
    third, fourth = await post(found, ROOM, "lost", "lost too")
    await store.roll_back(saved)
    await post(found, ROOM, "c", "d", "e")

    one, other = await before(found, third), await before(found, fourth)

    assert (bodies(one), one.recovered) == (["a", "b"], False)
    assert (bodies(other), other.recovered) == (["a", "b"], False)


async def test_a_room_that_never_was_has_nothing_before(store: Store) -> None:
    """Who has nothing of it misses nothing."""
    found = store.log(PLENTY)

    nothing, something = await before(found, pb.Position()), await before(found, at("x", 3))

    assert (bodies(nothing), nothing.recovered, nothing.more) == ([], True, False)
    assert (bodies(something), something.recovered, something.more) == ([], False, False)
