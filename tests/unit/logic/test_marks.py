import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.logic import marks
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import World, session_of

ROOM = RoomName("room:7")


async def _say(world: World, *texts: str, room: str = ROOM) -> pb.Position:
    """Publish texts; where the room stands then."""
    for text in texts:
        await world.post(room, text, text)
    (history,) = await world.log.history([log.Read(RoomName(room), None, 0)])
    return history.position


async def _mark(world: World, session: bytes, position: pb.Position, room: str = ROOM) -> pb.Position:
    return await world.marks.mark(logic_pb2.MarkReadRequest(session=session, room=room, position=position))


def _told(world: World, room: str) -> list[pb.ReadMark]:
    return [entry.ephemeral.read for entry in world.dispatched(room) if entry.ephemeral]


async def test_what_was_read_is_stored_and_told(world: World) -> None:
    """To the reader's other devices by the list, to the others in the room at once and by asking."""
    ann, session = await world.user("ann")
    _, bob = await world.user("bob")
    there = await _say(world, "a", "b")

    assert await _mark(world, session, there) == there

    mark = pb.ReadMark(user=pb.Member(user_id=ann, user_name="ann"), position=there)
    assert await world.marks.of(ann, [ROOM]) == [there]
    assert await world.marks.shown(bob, ROOM) == [mark]
    assert _told(world, ROOM) == [mark]


async def test_a_mark_in_a_conversation_is_told_to_all_devices_of_both(world: World) -> None:
    """In their inboxes, with the conversation whose position it is."""
    ann, session = await world.user("ann")
    bob, _ = await world.user("bob")
    room = f"dm:{ann}:{bob}"
    there = await _say(world, "a", "b", room=room)
    await _mark(world, session, there, room)

    for place in (room, f"user:{ann}", f"user:{bob}"):
        shard = [entry.ephemeral for entry in world.dispatched(place) if entry.ephemeral]
        (told,) = [ephemeral for ephemeral in shard if ephemeral.room == place]
        assert told.read.position == there
        assert told.conversation == ("" if place == room else room)


async def test_a_mark_does_not_go_back(world: World) -> None:
    """The answer has what is stored, and the room is told nothing that it knows."""
    _, session = await world.user("ann")
    there = await _say(world, "a", "b")
    await _mark(world, session, there)

    assert await _mark(world, session, pb.Position(epoch=there.epoch, offset=1)) == there
    assert await _mark(world, session, there) == there
    assert len(_told(world, ROOM)) == 1


async def test_nobody_has_read_what_is_not_there(world: World) -> None:
    """Beyond the end it is the end; in an epoch that never was it is where both agree."""
    _, session = await world.user("ann")
    there = await _say(world, "a", "b")

    assert await _mark(world, session, pb.Position(epoch="9999999999999.x.x", offset=1)) == pb.Position(
        epoch=there.epoch, offset=0
    )
    assert await _mark(world, session, pb.Position(epoch=there.epoch, offset=2**60)) == there


async def test_a_mark_is_kept_in_the_rooms_epoch(world: World) -> None:
    """What was read before Redis came back is read still; what was lost there is not."""
    ann, session = await world.user("ann")
    before = await _say(world, "a", "b")
    saved = world.server.clone(world.server.identity)
    lost = await _say(world, "lost", "lost too")
    await _mark(world, session, lost)
    world.log.server = saved.clone("run-2")
    there = await _say(world, "c", "d", "e")

    standing = (await world.marks.standings([ROOM], await world.marks.of(ann, [ROOM])))[0]
    assert (standing.position, standing.unread) == (there, 3)
    assert await _mark(world, session, before) == pb.Position(epoch=there.epoch, offset=2)


async def test_a_room_that_never_was_is_not_read(world: World) -> None:
    """Nothing is stored of it."""
    ann, session = await world.user("ann")

    assert await _mark(world, session, pb.Position(epoch="x", offset=3)) == pb.Position()
    assert await world.marks.of(ann, [ROOM]) == [None]
    assert await world.marks.shown(session, ROOM) == []


async def test_marks_need_a_session_a_right_and_a_position(world: World) -> None:
    """Not for strangers, not in conversations of others; one may mark one's own inbox."""
    ann, session = await world.user("ann")
    there = pb.Position()
    for failure, who, room in [
        (errors.SessionEnded, session_of("nobody"), "room:7"),
        (errors.Forbidden, session, "dm:8:9"),
        (errors.Forbidden, session, "user:9"),
        (errors.Invalid, session, "nowhere"),
    ]:
        with pytest.raises(failure):
            await _mark(world, who, there, room)
        with pytest.raises(failure):
            await world.marks.shown(who, room)
    with pytest.raises(errors.Invalid):
        await world.marks.mark(logic_pb2.MarkReadRequest(session=session, room=ROOM))
    assert await _mark(world, session, there, ids.inbox(ann)) == there


async def test_unread_is_what_history_still_has() -> None:
    """After a mark, or from the beginning; what is gone cannot be read any more."""
    world = World(log.Limits(history_size=3, history_min_age=0))
    await _say(world, "a")
    first = await _say(world)
    there = await _say(world, "b", "c", "d", "e")

    found = await world.marks.standings([ROOM, ROOM, ROOM, RoomName("room:8")], [first, None, there, None])

    assert [standing.unread for standing in found] == [3, 3, 0, 0]
    assert [standing.position for standing in found] == [there, there, there, pb.Position()]


def test_a_room_that_could_not_be_read_says_so() -> None:
    """A list is whole or not at all."""
    with pytest.raises(errors.Unavailable):
        marks.answered(logic_pb2.RoomHistory(error="unavailable"))
