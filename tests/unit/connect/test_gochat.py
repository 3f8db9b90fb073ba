import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, strategies as st

from chatcluster.connect import framing, gochat
from chatcluster.connect.room import Gap, Reset
from chatcluster.core.ids import RoomName
from chatcluster.v1 import logic_pb2, types_pb2 as pb

TIME = int(datetime(2026, 11, 23, 6, 54, 5, tzinfo=UTC).timestamp()) * 1000 + 999
TEXT = st.text(st.characters(codec="utf-8"), max_size=50)
PLAIN = gochat.Codec("plain", bytes, 2**20, UTC)
TCP = gochat.Codec("tcp", framing.frame, framing.MAX_PAYLOAD_BYTES, UTC)


def publication(room: str, **fields: object) -> pb.Publication:
    """A publication of a message with these fields."""
    return pb.Publication(room=room, time_ms=TIME, body=pb.Message(**fields).SerializeToString())  # type: ignore[arg-type]


def members(room: str, *names: str, count: int | None = None) -> pb.Ephemeral:
    """A room's presence, with members 1, 2, 3 and so on."""
    found = [pb.Member(user_id=number, user_name=name) for number, name in enumerate(names, 1)]
    presence = pb.RoomPresence(room=room, count=len(names) if count is None else count, members=found)
    return pb.Ephemeral(room=room, members=presence)


def test_room_message_is_gochats_to_the_byte() -> None:
    """Op 3 as it was captured: key order, escaping, local time, no recipient."""
    item = publication("room:1", text='hello <b>&"x" 你好', from_user_id=2412, from_user_name="alice")

    assert PLAIN.encode(item).decode() == (
        '{"code":0,"msg":"hello \\u003cb\\u003e\\u0026\\"x\\" 你好","fromUserId":2412,"fromUserName":"alice",'
        '"toUserId":0,"toUserName":"","roomId":1,"op":3,"createTime":"2026-11-23 06:54:05"}'
    )


def test_private_message_is_gochats_to_the_byte() -> None:
    """Op 2 as it was captured: the room that its sender named, and no time."""
    item = publication(
        "user:2413", text="private", from_user_id=2412, from_user_name="alice", to_user_id=2413, to_user_name="bob",
        gochat_room_id=1,
    )  # fmt: skip

    assert PLAIN.encode(item).decode() == (
        '{"code":0,"msg":"private","fromUserId":2412,"fromUserName":"alice",'
        '"toUserId":2413,"toUserName":"bob","roomId":1,"op":2,"createTime":""}'
    )


@pytest.mark.parametrize(
    ("item", "body"),
    [
        (
            members("room:1", "alice", "bob"),
            '{"op":5,"roomId":1,"count":2,"roomUserInfo":{"1":"alice","2":"bob"}}',
        ),
        (members("room:1"), '{"op":5,"roomId":1,"roomUserInfo":{}}'),
        (pb.Ephemeral(room="room:1", count=pb.RoomPresence(count=2)), '{"count":2,"op":4}'),
        (pb.Ephemeral(room="room:1", count=pb.RoomPresence()), '{"op":4}'),
    ],
)
def test_presence_is_gochats_to_the_byte(item: pb.Ephemeral, body: str) -> None:
    """Ops 5 and 4; zeros are left out."""
    assert PLAIN.encode(item).decode() == body


def test_members_are_in_the_order_of_gos_maps() -> None:
    """Go writes a map's keys by their text, so user 10 comes before user 2."""
    body = PLAIN.encode(members("room:1", *"abcdefghij")).decode()

    assert body.index('"10":') < body.index('"2":')


def test_time_is_told_in_the_zone_that_is_set() -> None:
    """createTime is local time somewhere; which is a setting."""
    codec = gochat.Codec("plain", bytes, 2**20, ZoneInfo("Asia/Shanghai"))

    assert b'"createTime":"2026-11-23 14:54:05"' in codec.encode(publication("room:1", text="x"))


@pytest.mark.parametrize(
    ("room", "sender", "recipient", "shown"),
    [("user:1", 1, 2, False), ("user:2", 1, 2, True), ("user:1", 1, 1, True)],
)
def test_own_copies_are_not_shown(room: str, sender: int, recipient: int, shown: bool) -> None:
    """gochat shows a private message to its recipient only; one to oneself is for oneself."""
    item = publication(room, text="x", from_user_id=sender, to_user_id=recipient)

    assert bool(PLAIN.encode(item)) is shown


@pytest.mark.parametrize(
    "item",
    [
        Gap(RoomName("room:1"), 3, 4),
        Reset(RoomName("room:1"), pb.Position(epoch="e", offset=1)),
        pb.Ephemeral(room="room:1"),
    ],
)
def test_what_gochat_has_no_word_for_is_not_shown(item: Gap | Reset | pb.Ephemeral) -> None:
    """Gaps, resets and events of later versions change nothing for these clients."""
    assert PLAIN.encode(item) == b""


@given(st.sampled_from(["room:7", "room:tea", "user:2"]), TEXT, TEXT, st.integers(0, 2**31 - 1))
def test_publications_come_back(room: str, text: str, name: str, recipient: int) -> None:
    """A client that reads the frame as JSON has the text, the names and the room."""
    item = publication(room, text=text, from_user_id=5, from_user_name=name, to_user_id=recipient)
    (payload,) = framing.Frames().feed(TCP.encode(item))
    body = json.loads(payload)

    assert (body["msg"], body["fromUserName"], body["toUserId"]) == (text, name, recipient)
    assert body["op"] == (2 if recipient else 3)
    assert body["roomId"] == (7 if room == "room:7" and not recipient else 0)


@given(st.lists(TEXT, max_size=20))
def test_presence_comes_back(names: list[str]) -> None:
    """A client that reads op 5 as JSON has every member."""
    body = json.loads(PLAIN.encode(members("room:7", *names)))

    assert body["roomUserInfo"] == {str(number): name for number, name in enumerate(names, 1)}


def test_largest_text_fits_a_tcp_frame_whatever_it_is() -> None:
    """4,096 bytes of text and names of 64 characters fit, each escaped to six."""
    item = publication("room:1", text="<" * 4096, from_user_id=5, from_user_name="&" * 64)

    assert json.loads(TCP.encode(item)[4:])["msg"] == "<" * 4096


def test_text_that_no_frame_holds_is_cut() -> None:
    """A cluster that allows longer texts shows TCP clients as much as fits, instead of nothing."""
    item = publication("room:1", text="<" * 10_000, from_user_id=5, from_user_name="ann")

    assert json.loads(TCP.encode(item)[4:])["msg"] == "<" * 5000


def test_members_that_no_frame_holds_are_left_out() -> None:
    """The count stays true when a TCP frame has no room for the list."""
    body = json.loads(TCP.encode(members("room:1", *["<" * 64] * 200))[4:])

    assert body["count"] == 200
    assert 50 <= len(body["roomUserInfo"]) < 200


def test_body_that_is_no_message_is_an_error() -> None:
    """The hub counts it and goes on with the others."""
    with pytest.raises(DecodeError):
        PLAIN.encode(pb.Publication(room="room:1", body=b"\xff\xff"))


def test_refusal_is_a_message_from_nobody_with_gochats_code_for_failure() -> None:
    """Shown to the one who sent, by clients that know codes and by those that do not."""
    body = json.loads(PLAIN.refuse("not sent: busy", logic_pb2.User(id=5, name="ann")))

    assert (body["code"], body["op"], body["fromUserId"]) == (1, 2, 0)
    assert (body["msg"], body["toUserId"], body["toUserName"]) == ("not sent: busy", 5, "ann")


def test_heartbeat_is_gochats() -> None:
    """The frame that its TCP server sends every 54 s."""
    assert gochat.HEARTBEAT == b"v1\x00\x0cping msg"
