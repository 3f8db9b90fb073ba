"""What every log tells readers when Redis came back, with everything or with less."""

from chatcluster.log import log
from support.stores import Store
from support.talk import PLENTY, ROOM, at, bodies, draft, post, read


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
