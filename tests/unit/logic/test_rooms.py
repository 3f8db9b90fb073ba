import pytest

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.log import log
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import ANSWER_BYTES, World, session_of

ROOM = "room:7"


async def _mark(world: World, session: bytes, room: str, offset: int) -> None:
    (history,) = await world.log.history([log.Read(RoomName(room), None, 0)])
    position = pb.Position(epoch=history.position.epoch, offset=offset)
    await world.marks.mark(logic_pb2.MarkReadRequest(session=session, room=room, position=position))


async def _say(world: World, sender: bytes, recipient: UserId, text: str) -> None:
    """A private message, copied into both inboxes as task does it."""
    request = logic_pb2.PublishRequest(
        session=sender, user_id=recipient, text=text, message_id=text[:20].replace(" ", "-")
    )
    room = RoomName((await world.publishing.publish(request)).room)
    published = [entry for entry in world.dispatched(room) if entry.publication and entry.publication.room == room]
    entry = published[-1]
    assert entry.publication
    source = ids.shard_of(room, world.shards)
    for user in ids.parse_room(room).users:
        await world.log.copy(source, [log.Copy(ids.inbox(user), entry.id, entry.publication)])


async def test_a_kept_room_is_read_as_far_as_it_stood(world: World) -> None:
    """What comes after that is unread, until it is marked."""
    _, session = await world.user("ann")
    await world.post(ROOM, "a", "a")
    kept = await world.rooms.keep(session, ROOM)
    await world.post(ROOM, "b", "b")
    await world.post(ROOM, "c", "c")
    (later,) = await world.rooms.kept(session)
    await _mark(world, session, ROOM, 2)
    (marked,) = await world.rooms.kept(session)

    assert (kept.room, kept.position.offset, kept.read.offset, kept.unread) == (ROOM, 1, 1, 0)
    assert (later.position.offset, later.read.offset, later.unread) == (3, 1, 2)
    assert (marked.read.offset, marked.unread) == (2, 1)


async def test_rooms_are_listed_in_their_order(world: World) -> None:
    """Also those in which nothing was ever said; a dropped one is gone."""
    _, session = await world.user("ann")
    for room in ("room:9", "room:lobby", ROOM, "room:9"):
        await world.rooms.keep(session, room)
    await world.rooms.drop(session, "room:lobby")
    await world.rooms.drop(session, "room:never")

    listed = await world.rooms.kept(session)

    assert [kept.room for kept in listed] == ["room:9", ROOM]
    assert all(kept.position == kept.read == pb.Position() and not kept.unread for kept in listed)


async def test_a_mark_from_before_is_no_way_back(world: World) -> None:
    """Who comes back to a room after a long time begins where it stands, unless more was read."""
    _, session = await world.user("ann")
    for text in "abc":
        await world.post(ROOM, text, text)
    await _mark(world, session, ROOM, 1)
    kept = await world.rooms.keep(session, ROOM)

    assert (kept.read.offset, kept.unread) == (3, 0)


async def test_a_user_keeps_so_many_rooms() -> None:
    """One more is refused; one that is kept already is not one more."""
    world = World(log.Limits(rooms_per_user=2))
    _, session = await world.user("ann")
    await world.rooms.keep(session, "room:1")
    await world.rooms.keep(session, "room:2")

    with pytest.raises(errors.TooManyRooms):
        await world.rooms.keep(session, "room:3")
    assert (await world.rooms.keep(session, "room:2")).room == "room:2"


async def test_only_open_rooms_are_kept(world: World) -> None:
    """By who has a session."""
    _, session = await world.user("ann")
    for room in ("dm:1:2", "user:1", "nowhere"):
        with pytest.raises(errors.Invalid):
            await world.rooms.keep(session, room)
        with pytest.raises(errors.Invalid):
            await world.rooms.drop(session, room)
    for call in (world.rooms.keep, world.rooms.drop):
        with pytest.raises(errors.SessionEnded):
            await call(session_of("nobody"), ROOM)
    with pytest.raises(errors.SessionEnded):
        await world.rooms.kept(session_of("nobody"))


async def test_conversations_are_listed_for_both(world: World) -> None:
    """The one spoken in last first, with the other user, what was said last, and what is unread."""
    ann, ann_session = await world.user("ann")
    bob, bob_session = await world.user("bob")
    eve, eve_session = await world.user("eve")
    await _say(world, ann_session, bob, "hello bob")
    await _say(world, eve_session, ann, "hello ann")
    await _say(world, ann_session, bob, "are you there?")

    with_bob, with_eve = await world.conversations.of(ann_session)
    (with_ann,) = await world.conversations.of(bob_session)

    assert [(c.user.id, c.user.name) for c in (with_bob, with_eve, with_ann)] == [
        (bob, "bob"),
        (eve, "eve"),
        (ann, "ann"),
    ]
    assert (with_bob.room, with_bob.position.offset) == (ids.conversation(ann, bob), 2)
    assert pb.Message.FromString(with_ann.last.body).text == "are you there?"
    assert [c.unread for c in (with_bob, with_eve, with_ann)] == [0, 1, 2]
    assert not with_ann.HasField("read")

    await _mark(world, bob_session, with_ann.room, 1)
    (marked,) = await world.conversations.of(bob_session)
    assert (marked.read.offset, marked.unread) == (1, 1)


async def test_one_may_talk_to_oneself(world: World) -> None:
    """Then the other is oneself."""
    ann, session = await world.user("ann")
    await _say(world, session, ann, "note")

    (conversation,) = await world.conversations.of(session)

    assert (conversation.user.id, conversation.user.name, conversation.unread) == (ann, "ann", 0)


async def test_a_conversation_whose_history_is_gone_has_a_name(world: World) -> None:
    """It is in the list a day longer than in history."""
    ann, session = await world.user("ann")
    _, bob = await world.user("bob")
    await _say(world, bob, ann, "hello")
    world.clock.time += 7 * 86_400 + 1
    await world.accounts.open_session(session, accounts.Account(ann, "ann", ""), 60)

    (conversation,) = await world.conversations.of(session)

    assert (conversation.user.name, conversation.HasField("last"), conversation.unread) == ("bob", False, 0)
    assert conversation.position.offset == 1


async def test_a_list_of_conversations_has_a_bound(world: World) -> None:
    """Beyond it they come without what was said last, and are complete otherwise."""
    ann, session = await world.user("ann")
    for number in range(20):
        _, other = await world.user(f"user{number}")
        await _say(world, other, ann, f"{number} " + "x" * 4000)

    listed = await world.conversations.of(session)

    assert sum(conversation.ByteSize() for conversation in listed) < ANSWER_BYTES + 6000
    assert [conversation.HasField("last") for conversation in (listed[0], listed[-1])] == [True, False]
    assert [conversation.user.name for conversation in listed] == [f"user{number}" for number in reversed(range(20))]
    assert all(conversation.unread == 1 for conversation in listed)


async def test_what_cannot_be_read_does_not_spoil_the_list(world: World) -> None:
    """A body that is no Message says nothing of names."""
    ann, session = await world.user("ann")
    bob, _ = await world.user("bob")
    room = ids.conversation(ann, bob)
    await world.log.publish(log.Draft(room, bob, "m-1", b"\xff\xff", b"12345678"))
    (entry,) = [entry for entry in world.dispatched(room) if entry.publication]
    assert entry.publication
    await world.log.copy(ids.shard_of(room, world.shards), [log.Copy(ids.inbox(ann), entry.id, entry.publication)])

    (conversation,) = await world.conversations.of(session)

    assert (conversation.user.name, conversation.unread) == ("bob", 1)
