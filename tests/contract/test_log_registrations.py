"""What every log does for gateways: registering for rooms, and proving that nothing is missed."""

import pytest

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.log import log
from chatcluster.v1 import types_pb2 as pb
from support.stores import Store
from support.talk import GATEWAY, PLENTY, ROOM, bodies, other_rooms, post, read, shard_of, waiting

OTHER = Incarnation("gateway-1/b")


async def register(found: log.Log, number: int, *rooms: RoomName, incarnation: Incarnation = GATEWAY) -> log.Registered:
    """Register for rooms; the answer for the first."""
    return (await found.register(incarnation, number, [log.Read(room) for room in rooms]))[0]


async def holders(found: log.Log, room: RoomName = ROOM) -> set[Incarnation]:
    """Who holds a room."""
    return set((await found.holders(shard_of(room), [room])).rooms.get(room, ()))


async def test_registering_makes_a_holder(store: Store) -> None:
    """A room that never was has an epoch from then on, and stands at 0."""
    found = store.log(PLENTY)

    registered = await register(found, 1, ROOM)

    assert registered.accepted
    position = registered.history.position
    assert (position.offset, ids.shard_epoch_of(position.epoch)) == (0, registered.shard_epoch)
    assert (registered.history.recovered, registered.stream_id) == (True, ids.ZERO)
    assert (await read(found, ROOM)).position == position
    held = await found.holders(shard_of(ROOM), [ROOM])
    assert (held.epoch, held.rooms[ROOM]) == (registered.shard_epoch, frozenset({GATEWAY}))


async def test_registering_is_idempotent(store: Store) -> None:
    """The same number again changes nothing but its age."""
    found = store.log(PLENTY)

    first, second = await register(found, 1, ROOM), await register(found, 1, ROOM)

    assert first == second
    assert await holders(found) == {GATEWAY}


async def test_the_proof_splits_what_was_from_what_comes(store: Store) -> None:
    """All up to the stream id is in the history that comes with it; all after it finds this holder."""
    found = store.log(PLENTY)
    first, _ = await post(found, ROOM, "a", "b")
    before = (await waiting(found, ROOM))[-1].id

    registered = (await found.register(GATEWAY, 1, [log.Read(ROOM, first)]))[0]
    await post(found, ROOM, "c")

    assert registered.stream_id == before
    assert bodies(registered.history) == ["b"]
    assert registered.history.recovered
    assert (await waiting(found, ROOM))[-1].id > registered.stream_id
    assert await holders(found) == {GATEWAY}


async def test_ephemerals_and_controls_move_the_proof(store: Store) -> None:
    """They are entries of the stream as well."""
    found = store.log(PLENTY)
    await found.push(pb.Ephemeral(room=ROOM))
    one = (await register(found, 1, ROOM)).stream_id
    await found.order(pb.Control(room=other_rooms(shard_of(ROOM), 1)[0]))

    two = (await register(found, 2, ROOM)).stream_id

    assert ids.ZERO < one < two


async def test_a_lower_number_changes_nothing(store: Store) -> None:
    """A call that was overtaken is not accepted, and still answered."""
    found = store.log(PLENTY)
    await register(found, 5, ROOM)
    await post(found, ROOM, "a")

    late = await register(found, 4, ROOM)

    assert (late.accepted, bodies(late.history)) == (False, ["a"])
    assert await holders(found) == {GATEWAY}
    await found.unregister(GATEWAY, 4, [ROOM])
    assert await holders(found) == {GATEWAY}


async def test_numbers_use_all_their_bits(store: Store) -> None:
    """They compare as numbers, and two large ones that differ by one are two."""
    found = store.log(PLENTY)
    await register(found, 10, ROOM)
    assert not (await register(found, 9, ROOM)).accepted
    await register(found, 2**64 - 1, ROOM)

    assert not (await register(found, 2**64 - 2, ROOM)).accepted


async def test_numbers_belong_to_an_incarnation(store: Store) -> None:
    """Another gateway counts for itself."""
    found = store.log(PLENTY)
    await register(found, 5, ROOM)

    assert (await register(found, 1, ROOM, incarnation=OTHER)).accepted
    assert await holders(found) == {GATEWAY, OTHER}
    await found.unregister(GATEWAY, 6, [ROOM])
    assert await holders(found) == {OTHER}


async def test_an_older_register_does_not_undo_an_unregister(store: Store) -> None:
    """The mark stays."""
    found = store.log(PLENTY)
    await register(found, 1, ROOM)
    await found.unregister(GATEWAY, 3, [ROOM])

    assert not (await register(found, 2, ROOM)).accepted
    assert await holders(found) == set()
    assert (await register(found, 4, ROOM)).accepted
    assert await holders(found) == {GATEWAY}


async def test_an_unregister_that_comes_first_leaves_its_mark(store: Store) -> None:
    """Also in a room that never was: the register that it overtook is still on its way."""
    found = store.log(PLENTY)
    await found.unregister(GATEWAY, 2, [ROOM])

    late = await register(found, 1, ROOM)

    assert not late.accepted
    assert late.history.position == pb.Position()
    assert await holders(found) == set()
    assert (await read(found, ROOM)).position == pb.Position()


async def test_many_rooms_at_once(store: Store) -> None:
    """Rooms of all shards are answered in their order, and taken off together."""
    found = store.log(PLENTY)
    rooms = [ids.room(number) for number in range(1, 151)]
    await post(found, rooms[3], "a")

    registered = await found.register(GATEWAY, 1, [log.Read(room) for room in rooms])

    assert [answer.history.room for answer in registered] == rooms
    assert [answer.history.position.offset for answer in registered] == [0, 0, 0, 1] + [0] * 146
    for room in rooms:
        assert await holders(found, room) == {GATEWAY}
    await found.unregister(GATEWAY, 2, rooms[:100])
    held = [bool(await holders(found, room)) for room in rooms]
    assert held == [False] * 100 + [True] * 50


async def test_holders_are_told_for_each_room(store: Store) -> None:
    """In one look at a shard; a room that nobody holds has none."""
    found = store.log(PLENTY)
    one, two, three = other_rooms(0, 3)
    await register(found, 1, one)
    await register(found, 2, two)
    await register(found, 1, two, incarnation=OTHER)

    held = await found.holders(ids.shard_of(one, found.shards), [three, two, one])

    assert {room: set(incarnations) for room, incarnations in held.rooms.items() if incarnations} == {
        one: {GATEWAY},
        two: {GATEWAY, OTHER},
    }


async def test_a_registration_that_is_not_renewed_is_forgotten(store: Store) -> None:
    """After its time it holds nothing, and its numbers count no more."""
    found = store.log(log.Limits(registration_ttl=1))
    await post(found, ROOM, "a")
    await register(found, 5, ROOM)
    await register(found, 7, ROOM, incarnation=OTHER)
    await store.pass_time(0.6)
    await register(found, 6, ROOM)
    await store.pass_time(0.6)

    assert await holders(found) == {GATEWAY}
    assert (await register(found, 1, ROOM, incarnation=OTHER)).accepted


async def test_a_room_lives_while_a_gateway_has_it(store: Store) -> None:
    """Its epoch stays as long as somebody renews; when nobody does, it is another room under the same name."""
    found = store.log(log.Limits(registration_ttl=1))
    first = (await register(found, 1, ROOM)).history.position
    await store.pass_time(0.6)
    assert (await register(found, 2, ROOM)).history.position == first
    await store.pass_time(0.6)
    assert (await register(found, 3, ROOM)).history.position == first

    await store.pass_time(1.01)

    assert (await read(found, ROOM)).position == pb.Position()
    again = (await register(found, 4, ROOM)).history.position
    assert again.epoch > first.epoch
    assert ids.shard_epoch_of(again.epoch) == ids.shard_epoch_of(first.epoch)


async def test_a_gateway_that_goes_takes_no_room_with_it(store: Store) -> None:
    """A room with publications lives as long as these, whoever registered for it."""
    found = store.log(log.Limits(registration_ttl=0.2))
    position = (await post(found, ROOM, "a"))[0]
    await register(found, 1, ROOM)
    await store.pass_time(0.21)

    assert (await read(found, ROOM)).position == position


async def test_a_later_life_of_a_room_has_a_later_epoch(store: Store) -> None:
    """Readers of the earlier life are told, and would take the later one's publications for stale ones otherwise."""
    found = store.log(log.Limits(registration_ttl=0.05))
    lives = []
    for number in range(6):
        lives.append((await register(found, number, ROOM)).history.position)
        await store.pass_time(0.06)
    await post(found, ROOM, "a")

    assert sorted(life.epoch for life in lives) == [life.epoch for life in lives]
    assert len({life.epoch for life in lives}) == 6
    history = await read(found, ROOM, lives[0])
    assert (history.recovered, bodies(history)) == (False, ["a"])


@pytest.mark.parametrize("method", ["history", "register", "holders", "publish", "acquire"])
async def test_every_step_notices_a_new_identity(store: Store, method: str) -> None:
    """Whichever step is the first after a restart tells the new epoch."""
    found = store.log(PLENTY)
    before = (await post(found, ROOM, "a"))[0].epoch
    shard = shard_of(ROOM)
    await store.restart()

    match method:
        case "history":
            epoch = (await read(found, ROOM)).position.epoch
        case "register":
            epoch = (await register(found, 1, ROOM)).shard_epoch
        case "holders":
            epoch = (await found.holders(shard, [ROOM])).epoch
        case "publish":
            epoch = (await post(found, ROOM, "b"))[0].epoch
        case _:
            ownership = await found.acquire(shard, "task")
            assert ownership
            epoch = ownership.epoch

    assert epoch > before
    assert epoch[:13] > before[:13]
