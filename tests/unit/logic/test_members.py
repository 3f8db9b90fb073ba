import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation
from chatcluster.logic import members
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import World, session_of

GATEWAY = Incarnation("gw-1/a")


async def _present(world: World, room: str, *users: tuple[int, str]) -> None:
    await world.presence.acquire(GATEWAY, "127.0.0.1:1")
    found = [pb.Member(user_id=user, user_name=name) for user, name in users]
    report = logic_pb2.GatewayPresence(
        room=room, count=len(users), user_ids=[user for user, _ in users], members=found, number=1
    )
    await world.presence.report(GATEWAY, [report])


def _pushed(world: World, room: str) -> list[pb.Ephemeral]:
    return [entry.ephemeral for entry in world.dispatched(room) if entry.ephemeral]


async def test_a_room_shows_who_is_in_it(world: World) -> None:
    """Any user may ask for an open room."""
    _, session = await world.user("ann")
    await _present(world, "room:7", (5, "eve"), (6, "fay"))
    found = await world.members.show(session, "room:7")

    assert (found.room, found.count) == ("room:7", 2)
    assert [member.user_name for member in found.members] == ["eve", "fay"]


async def test_an_empty_room_can_be_shown(world: World) -> None:
    """Nobody is there, which is an answer."""
    _, session = await world.user("ann")

    assert (await world.members.show(session, "room:7")).count == 0


async def test_showing_needs_a_session_and_a_right(world: World) -> None:
    """Not for strangers, and not for conversations of others."""
    _, session = await world.user("ann")
    with pytest.raises(errors.SessionEnded):
        await world.members.show(session_of("nobody"), "room:7")
    with pytest.raises(errors.Forbidden):
        await world.members.show(session, "dm:8:9")
    with pytest.raises(errors.Invalid):
        await world.members.show(session, "nowhere")


async def test_pushing_tells_the_room(world: World) -> None:
    """With members it is gochat's op 5, without them its op 4."""
    _, session = await world.user("ann")
    await _present(world, "room:7", (5, "eve"))
    found = await world.members.push(session, "room:7", members=True)
    await world.members.push(session, "room:7", members=False)
    with_members, with_count = _pushed(world, "room:7")

    assert with_members == pb.Ephemeral(room="room:7", members=found)
    assert with_count == pb.Ephemeral(room="room:7", count=pb.RoomPresence(room="room:7", count=1))


async def test_the_members_of_an_empty_room_are_not_found(world: World) -> None:
    """gochat's getRoomInfo fails on an empty room; its count does not."""
    _, session = await world.user("ann")
    with pytest.raises(errors.NotFound):
        await world.members.push(session, "room:7", members=True)

    assert (await world.members.push(session, "room:7", members=False)).count == 0


async def test_a_room_is_told_so_often_only(world: World) -> None:
    """Over the rate the caller gets the answer, and the room nothing until a moment later."""
    _, session = await world.user("ann")
    await _present(world, "room:7", (5, "eve"))
    answers = [await world.members.push(session, "room:7", members=True) for _ in range(5)]
    at_once = len(_pushed(world, "room:7"))
    world.clock.time += 0.5
    await world.members.push(session, "room:7", members=True)

    assert [answer.count for answer in answers] == [1] * 5
    assert (at_once, len(_pushed(world, "room:7"))) == (2, 3)


async def test_a_dispatch_that_fills_up_drops_it(world: World) -> None:
    """Ephemerals give way, and that is no error."""
    _, session = await world.user("ann")
    world.fill("room:7")

    assert (await world.members.push(session, "room:7", members=False)).count == 0
    assert _pushed(world, "room:7") == []


@pytest.mark.parametrize(("count", "shown"), [(200, "members"), (201, "count")])
def test_large_rooms_are_told_their_count(count: int, shown: str) -> None:
    """Up to 200 with their members, beyond that a number."""
    found = pb.RoomPresence(room=ids.room(7), count=count, members=[pb.Member(user_id=1, user_name="ann")])
    told = members.announcement(found)

    assert told.WhichOneof("event") == shown
    assert getattr(told, shown).count == count
    assert told.count.members == []
