"""What every presence does: see presence/presence.py for the rules."""

import asyncio
from collections.abc import Sequence

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation
from chatcluster.presence import presence
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.stores import Store

ROOM, OTHER_ROOM = ids.room(7), ids.room(8)
ONE, TWO = Incarnation("gateway-0/a"), Incarnation("gateway-1/b")


def report(number: int, *users: int, room: str = ROOM) -> logic_pb2.GatewayPresence:
    """Users of one room on one gateway, with their names."""
    members = [pb.Member(user_id=user, user_name=f"user {user}") for user in users]
    return logic_pb2.GatewayPresence(room=room, count=len(users), user_ids=users, members=members, number=number)


async def gateways(found: presence.Presence) -> None:
    """Two that live."""
    await found.acquire(ONE, "host-0:6912")
    await found.acquire(TWO, "host-1:6912")


def shown(room: pb.RoomPresence) -> tuple[int, list[int]]:
    """The count and the ids of the members."""
    return room.count, [member.user_id for member in room.members]


async def test_a_gateway_lives_by_its_lease(store: Store) -> None:
    """From taking it until it is given up."""
    found = store.presence()
    assert not await found.gateways()
    await gateways(found)

    assert await found.gateways() == {ONE: "host-0:6912", TWO: "host-1:6912"}
    await found.release(ONE)
    await found.release(ONE)
    assert await found.gateways() == {TWO: "host-1:6912"}


async def test_taking_a_lease_again_keeps_it(store: Store) -> None:
    """It is idempotent."""
    found = store.presence()
    await found.acquire(ONE, "host-0:6912")
    await found.acquire(ONE, "host-0:6912")

    assert await found.gateways() == {ONE: "host-0:6912"}


async def test_an_address_has_one_incarnation(store: Store) -> None:
    """A new one at the same address means that the process of the old one is gone."""
    found = store.presence()
    await gateways(found)
    successor = Incarnation("gateway-0/c")

    await found.acquire(successor, "host-0:6912")

    assert await found.gateways() == {successor: "host-0:6912", TWO: "host-1:6912"}
    assert not await found.renew(ONE)


async def test_an_ended_incarnation_never_comes_back(store: Store) -> None:
    """Only what lives is renewed."""
    found = store.presence()
    await gateways(found)
    assert await found.renew(ONE)
    await found.release(ONE)

    assert not await found.renew(ONE)
    assert not await found.renew(Incarnation("nobody/x"))
    assert await found.gateways() == {TWO: "host-1:6912"}


async def test_gateways_are_told_to_all_who_ask_at_once(store: Store) -> None:
    """Each sees at least what was so when it asked."""
    found = store.presence()

    async def join(number: int) -> bool:
        incarnation = Incarnation(f"gateway-{number}/x")
        await found.acquire(incarnation, f"host-{number}:1")
        return incarnation in await found.gateways()

    assert all(await asyncio.gather(*(join(number) for number in range(30))))


async def test_tasks_live_by_their_beat(store: Store) -> None:
    """Each is told the living ones, sorted; one that leaves is gone at once."""
    found = store.presence()
    assert await found.beat("task-1") == ["task-1"]
    assert await found.beat("task-0") == ["task-0", "task-1"]
    assert await found.beat("task-1") == ["task-0", "task-1"]

    assert await found.beat("task-1", leaving=True) == ["task-0"]
    assert await found.beat("task-0") == ["task-0"]


async def test_a_room_is_what_its_gateways_say(store: Store) -> None:
    """A user on two gateways is one user; members rise by id."""
    found = store.presence()
    await gateways(found)
    await found.report(ONE, [report(1, 5, 3)])

    told = await found.report(TWO, [report(1, 9, 3)])

    assert shown(told[0].presence) == (3, [3, 5, 9])
    room = await found.room(ROOM)
    assert room == told[0].presence
    assert room.members[0].user_name == "user 3"
    assert shown(await found.room(OTHER_ROOM)) == (0, [])


async def test_a_report_replaces_the_one_before(store: Store) -> None:
    """It is absolute; an empty one ends it."""
    found = store.presence()
    await gateways(found)
    await found.report(ONE, [report(1, 1, 2)])
    await found.report(TWO, [report(1, 3)])

    await found.report(ONE, [report(2, 2)])
    assert shown(await found.room(ROOM)) == (2, [2, 3])
    await found.report(ONE, [report(3)])
    assert shown(await found.room(ROOM)) == (1, [3])


async def test_a_late_report_is_ignored(store: Store) -> None:
    """Also one that was overtaken by an empty one; each gateway counts for itself."""
    found = store.presence()
    await gateways(found)
    await found.report(ONE, [report(2, 1)])
    assert shown((await found.report(ONE, [report(1, 9)]))[0].presence) == (1, [1])

    await found.report(ONE, [report(3)])
    await found.report(ONE, [report(2, 1)])

    assert shown(await found.room(ROOM)) == (0, [])
    await found.report(TWO, [report(1, 4)])
    assert shown(await found.room(ROOM)) == (1, [4])


async def test_the_same_report_again_is_taken(store: Store) -> None:
    """Only a lower number is an older one."""
    found = store.presence()
    await gateways(found)

    for user in (1, 2):
        assert shown((await found.report(ONE, [report(1, user)]))[0].presence) == (1, [user])


async def test_only_the_living_count(store: Store) -> None:
    """What a gateway said ends with its lease, without anybody saying so."""
    found = store.presence()
    await gateways(found)
    await found.report(ONE, [report(1, 1)])
    await found.report(TWO, [report(1, 2)])

    await found.release(ONE)

    assert shown(await found.room(ROOM)) == (1, [2])
    assert shown((await found.report(TWO, [report(2, 2, 3)]))[0].presence) == (2, [2, 3])


async def test_many_rooms_are_answered_in_order(store: Store) -> None:
    """Whatever shards they are in."""
    found = store.presence()
    await gateways(found)
    rooms = [ids.room(number) for number in range(1, 101)]

    told = await found.report(ONE, [report(1, number, room=room) for number, room in enumerate(rooms, 1)])

    assert [reported.presence.room for reported in told] == rooms
    assert [shown(reported.presence) for reported in told] == [(1, [number]) for number in range(1, 101)]
    assert await found.report(ONE, []) == []


async def push(found: presence.Presence, incarnation: Incarnation, stated: logic_pb2.GatewayPresence) -> None:
    """Report a change, and push it."""
    (reported,) = await found.report(incarnation, [stated])
    assert reported.changed
    await found.pushed([reported.presence])


async def test_a_change_is_pushed_once(store: Store) -> None:
    """By the caller who is told so; the same again is no change."""
    found = store.presence()
    await gateways(found)
    await push(found, ONE, report(1, 1))

    again = (await found.report(ONE, [report(2, 1)]))[0]

    assert (again.changed, again.deferred) == (False, False)


async def test_a_push_that_failed_is_made_up_for(store: Store) -> None:
    """A turn that was taken and not used leaves the change to be pushed by the next, a second later."""
    found = store.presence()
    await gateways(found)
    assert (await found.report(ONE, [report(1, 1)]))[0].changed

    soon = (await found.report(ONE, [report(2, 1)]))[0]
    await store.pass_time(1.01)
    later = (await found.report(ONE, [report(3, 1)]))[0]

    assert (soon.changed, soon.deferred) == (False, True)
    assert (later.changed, later.deferred) == (True, False)


async def test_a_room_is_pushed_once_a_second(store: Store) -> None:
    """A change within that second is deferred, and has its turn later; other rooms are not touched."""
    found = store.presence()
    await gateways(found)
    await push(found, ONE, report(1, 1))

    soon, other = await found.report(TWO, [report(1, 2), report(2, 2, room=OTHER_ROOM)])
    await store.pass_time(1.01)
    later = (await found.report(TWO, [report(3, 2)]))[0]

    assert (soon.changed, soon.deferred) == (False, True)
    assert (other.changed, other.deferred) == (True, False)
    assert (later.changed, later.deferred) == (True, False)


async def test_a_change_that_is_undone_needs_no_push(store: Store) -> None:
    """What was last pushed is true again."""
    found = store.presence()
    await gateways(found)
    await push(found, ONE, report(1, 1))
    assert (await found.report(ONE, [report(2, 1, 2)]))[0].deferred

    again = (await found.report(ONE, [report(3, 1)]))[0]

    assert (again.changed, again.deferred) == (False, False)


async def test_an_empty_room_that_was_never_pushed_is_no_change(store: Store) -> None:
    """Nobody would hear it, and nobody believes otherwise."""
    found = store.presence()
    await gateways(found)

    told = (await found.report(ONE, [report(1)]))[0]

    assert (told.changed, told.deferred, shown(told.presence)) == (False, False, (0, []))


async def test_one_of_many_has_the_turn(store: Store) -> None:
    """However many report the same change at once, it is pushed once."""
    found = store.presence()
    await gateways(found)
    await push(found, ONE, report(1, 1))
    await store.pass_time(1.01)

    told: Sequence[list[presence.Reported]] = await asyncio.gather(
        *(found.report(TWO, [report(2, 2)]) for _ in range(10))
    )

    assert sum(reported.changed for (reported,) in told) == 1


async def test_lists_are_capped(store: Store) -> None:
    """At most 200 members are shown; the count is exact as long as every gateway lists all of its users."""
    found = store.presence()
    await gateways(found)
    everybody = list(range(1, 401))
    named = [pb.Member(user_id=user, user_name=f"user {user}") for user in everybody[:200]]
    full = logic_pb2.GatewayPresence(room=ROOM, count=400, user_ids=everybody, members=named, number=1)
    await found.report(ONE, [full])

    told = (await found.report(TWO, [report(1, 1, 500)]))[0].presence

    assert told.count == 401
    assert [member.user_id for member in told.members] == everybody[:200]


async def test_beyond_the_exact_count_gateways_add_up(store: Store) -> None:
    """A gateway that lists nobody has so many as it says."""
    found = store.presence()
    await gateways(found)
    await found.report(ONE, [logic_pb2.GatewayPresence(room=ROOM, count=10_001, number=1)])

    assert (await found.report(TWO, [report(1, 1, 2)]))[0].presence.count == 10_003
