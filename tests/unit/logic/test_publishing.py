from typing import Any

import pytest

from chatcluster.core import errors, ids
from chatcluster.core.ids import UserId
from chatcluster.log import log
from chatcluster.logic import publishing
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.domain import World, session_of

ANN = UserId(3)


def _request(session: bytes, text: str = "hello", **fields: Any) -> logic_pb2.PublishRequest:
    wanted: dict[str, Any] = {"room": "room:7", "message_id": "m-1", **fields}
    if "user_id" in wanted:
        del wanted["room"]
    return logic_pb2.PublishRequest(session=session, text=text, **wanted)


async def _history(world: World, room: str) -> list[pb.Message]:
    (history,) = await world.log.history([log.Read(ids.RoomName(room))])
    return [pb.Message.FromString(publication.body) for publication in history.publications]


async def test_a_room_message_is_stored_with_its_sender(world: World) -> None:
    """What is stored names the session's user, whatever the request says."""
    user, session = await world.user("ann")
    answer = await world.publishing.publish(_request(session, "héllo\n\tthere"))
    (stored,) = await _history(world, "room:7")

    assert (answer.room, answer.position.offset, answer.repeated) == ("room:7", 1, False)
    assert answer.time_ms == world.clock.time * 1000
    assert stored == pb.Message(id="m-1", from_user_id=user, from_user_name="ann", text="héllo\n\tthere")


async def test_a_retry_finds_the_first(world: World) -> None:
    """The same id with the same text is answered with the same place."""
    _, session = await world.user("ann")
    first = await world.publishing.publish(_request(session))
    second = await world.publishing.publish(_request(session, age_ms=479_000))

    assert (second.position, second.repeated) == (first.position, True)
    assert len(await _history(world, "room:7")) == 1


async def test_one_id_has_one_text(world: World) -> None:
    """The same id with another text is a conflict."""
    _, session = await world.user("ann")
    await world.publishing.publish(_request(session))
    with pytest.raises(errors.Conflict):
        await world.publishing.publish(_request(session, "goodbye"))


async def test_a_late_retry_has_expired(world: World) -> None:
    """After 8 minutes the log might take it for a new message."""
    _, session = await world.user("ann")
    await world.publishing.publish(_request(session, age_ms=480_000))
    with pytest.raises(errors.Expired):
        await world.publishing.publish(_request(session, age_ms=480_001))


async def test_a_session_is_asked_for_first(world: World) -> None:
    """Whoever has no session is told that, and nothing about the message."""
    with pytest.raises(errors.SessionEnded):
        await world.publishing.publish(_request(session_of("nobody"), ""))


@pytest.mark.parametrize("text", ["", "x" * 4097, "ü" * 2049, "a\x00b", "a\rb", "\x1b[31m", "\x7f", "\x85"], ids=ascii)
async def test_bad_texts_are_refused(world: World, text: str) -> None:
    """A text has 1 to 4,096 bytes, without control characters but newline and tab."""
    _, session = await world.user("ann")
    with pytest.raises(errors.Invalid):
        await world.publishing.publish(_request(session, text))

    assert await _history(world, "room:7") == []


@pytest.mark.parametrize("text", ["x", "x" * 4096, "ü" * 2048, "\n\t", "👋🏽", "\u2028"], ids=ascii)
def test_good_texts_are_accepted(text: str) -> None:
    """Everything else is a text, up to the very last byte."""
    assert publishing.check_text(text, 4096) == text.encode()


@pytest.mark.parametrize("message_id", ["", "x" * 129, "a b", "ä", "a\n"])
async def test_bad_message_ids_are_refused(world: World, message_id: str) -> None:
    """An id has 1 to 128 visible ASCII characters."""
    _, session = await world.user("ann")
    with pytest.raises(errors.Invalid):
        await world.publishing.publish(_request(session, message_id=message_id))


async def test_a_private_message_goes_to_the_conversation(world: World) -> None:
    """By user or by room it is the same conversation, and the message names both."""
    ann, session = await world.user("ann")
    bob, _ = await world.user("bob")
    room = f"dm:{ann}:{bob}"
    await world.publishing.publish(_request(session, user_id=bob, gochat_room_id=7))
    answer = await world.publishing.publish(_request(session, room=room, message_id="m-2"))
    by_user, by_room = await _history(world, room)

    assert (answer.room, answer.position.offset) == (room, 2)
    assert (by_user.to_user_id, by_user.to_user_name, by_user.gochat_room_id) == (bob, "bob", 7)
    assert (by_room.to_user_id, by_room.to_user_name, by_room.gochat_room_id) == (bob, "bob", 0)


async def test_a_user_may_talk_to_themselves(world: World) -> None:
    """A conversation with oneself is one."""
    ann, session = await world.user("ann")
    answer = await world.publishing.publish(_request(session, user_id=ann))
    (stored,) = await _history(world, f"dm:{ann}:{ann}")

    assert answer.room == f"dm:{ann}:{ann}"
    assert (stored.to_user_id, stored.to_user_name) == (ann, "ann")


@pytest.mark.parametrize("user_id", [0, 99, 2**31, 2**32 - 1])
async def test_nobody_cannot_be_written_to(world: World, user_id: int) -> None:
    """The recipient has to exist."""
    _, session = await world.user("ann")
    with pytest.raises(errors.NotFound):
        await world.publishing.publish(_request(session, user_id=user_id))


@pytest.mark.parametrize("whose", ["ann", "bob"])
async def test_a_full_inbox_is_busy(whose: str) -> None:
    """Copies are never refused, so the private message is, before it is stored."""
    world = World(shards=64)
    ann, session = await world.user("ann")
    bob, _ = await world.user("bob")
    world.fill(ids.inbox({"ann": ann, "bob": bob}[whose]))
    with pytest.raises(errors.Busy) as busy:
        await world.publishing.publish(_request(session, user_id=bob))

    assert busy.value.retry_after
    assert await _history(world, f"dm:{ann}:{bob}") == []


async def test_what_is_stored_is_not_called_busy(world: World) -> None:
    """A retry of a private message finds the first attempt, also while an inbox is full."""
    _, session = await world.user("ann")
    bob, _ = await world.user("bob")
    first = await world.publishing.publish(_request(session, user_id=bob))
    world.fill(ids.inbox(bob))
    second = await world.publishing.publish(_request(session, user_id=bob))
    with pytest.raises(errors.Conflict):
        await world.publishing.publish(_request(session, "another text", user_id=bob))

    assert (second.position, second.repeated) == (first.position, True)


@pytest.mark.parametrize("room", ["dm:1:2", "user:1", "user:3"])
def test_rooms_of_others_and_inboxes_are_not_written(room: str) -> None:
    """A conversation is its two users'; an inbox, also one's own, gets copies only."""
    with pytest.raises(errors.Forbidden):
        publishing.target(logic_pb2.PublishRequest(room=room), ANN)


@pytest.mark.parametrize("room", ["", "7", "room:", "dm:3:1", "dm:3", "user:0", "room:" + "x" * 65])
def test_what_is_no_room_is_invalid(room: str) -> None:
    """Only the forms that exist are rooms."""
    with pytest.raises(errors.Invalid):
        publishing.target(logic_pb2.PublishRequest(room=room), ANN)


def test_a_message_needs_a_target() -> None:
    """Neither a room nor a user is no place."""
    with pytest.raises(errors.Invalid):
        publishing.target(logic_pb2.PublishRequest(), ANN)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (logic_pb2.PublishRequest(room="room:7"), ("room:7", None)),
        (logic_pb2.PublishRequest(room="dm:3:9"), ("dm:3:9", 9)),
        (logic_pb2.PublishRequest(room="dm:1:3"), ("dm:1:3", 1)),
        (logic_pb2.PublishRequest(room="dm:3:3"), ("dm:3:3", 3)),
        (logic_pb2.PublishRequest(user_id=1), ("dm:1:3", 1)),
    ],
)
def test_targets(request_: logic_pb2.PublishRequest, expected: tuple[str, int | None]) -> None:
    """Where a message of user 3 goes, and who else is in it."""
    assert publishing.target(request_, ANN) == expected
