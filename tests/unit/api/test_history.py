import msgspec
import pytest
from starlette.datastructures import QueryParams

from chatcluster.api import history
from chatcluster.core import errors
from chatcluster.v1 import logic_pb2, types_pb2


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("", logic_pb2.RoomRead(room="room:7", limit=100)),
        ("limit=0", logic_pb2.RoomRead(room="room:7", limit=0)),
        (
            "epoch=e&since=5&limit=1000",
            logic_pb2.RoomRead(room="room:7", limit=1000, since=types_pb2.Position(epoch="e", offset=5)),
        ),
        (
            "epoch=e&before=5",
            logic_pb2.RoomRead(room="room:7", limit=100, before=types_pb2.Position(epoch="e", offset=5)),
        ),
        ("epoch=&before=0", logic_pb2.RoomRead(room="room:7", limit=100, before=types_pb2.Position())),
        ("epoch=&since=0", logic_pb2.RoomRead(room="room:7", limit=100, since=types_pb2.Position())),
        ("unknown=1", logic_pb2.RoomRead(room="room:7", limit=100)),
    ],
)
def test_a_query_says_what_is_read(query: str, read: logic_pb2.RoomRead) -> None:
    """On from a position, even from that of a room that never was; or the newest."""
    assert history.asked(QueryParams(query), "room:7") == read


@pytest.mark.parametrize(
    "query",
    [
        "limit=1001",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.0",
        "limit=" + "1" * 5000,
        "epoch=a",
        "since=1",
        "before=1",
        "epoch=a&before=x",
        "epoch=a&since=1&before=1",
        "epoch=a&since=",
        "epoch=a&since=-1",
        "epoch=a&since=9007199254740992",
        "epoch=a&since=99999999999999999999",
        "epoch=a&since=\u0661",
        "since=0&epoch=" + "x" * 65,
    ],
)
def test_a_wrong_query_is_refused(query: str) -> None:
    """Epoch and since belong together, and everything is bounded."""
    with pytest.raises(errors.Invalid):
        history.asked(QueryParams(query), "room:7")


def test_a_room_is_shown_with_its_position_and_what_was_found() -> None:
    """Every publication in the order of its offset."""
    said = types_pb2.Message(id="k", from_user_id=3, from_user_name="carol", text="hi")
    publication = types_pb2.Publication(room="room:7", epoch="e", offset=9, time_ms=5, body=said.SerializeToString())
    found = logic_pb2.RoomHistory(
        room="room:7",
        position=types_pb2.Position(epoch="e", offset=9),
        recovered=True,
        after=8,
        more=True,
        publications=[publication],
    )
    assert msgspec.to_builtins(history.shown(found)) == {
        "room": "room:7",
        "epoch": "e",
        "offset": 9,
        "recovered": True,
        "after": 8,
        "more": True,
        "publications": [
            {"epoch": "e", "offset": 9, "time_ms": 5, "id": "k", "from": {"id": 3, "name": "carol"}, "text": "hi"}
        ],
    }


def test_a_private_message_is_shown_with_its_recipient_and_a_copy_with_its_origin() -> None:
    """So that an inbox's reader finds the conversation."""
    said = types_pb2.Message(text="psst", to_user_id=4, to_user_name="dave")
    origin = types_pb2.Origin(room="dm:3:4", epoch="e", offset=2)
    copy = types_pb2.Publication(epoch="f", offset=1, body=said.SerializeToString(), origin=origin)
    [content] = msgspec.to_builtins(history.shown(logic_pb2.RoomHistory(publications=[copy])))["publications"]
    assert content["to"] == {"id": 4, "name": "dave"}
    assert content["origin"] == {"room": "dm:3:4", "epoch": "e", "offset": 2}


def test_what_cannot_be_decoded_keeps_its_offset() -> None:
    """A hole in the offsets would have a reader ask for it for ever."""
    [content] = history.shown(
        logic_pb2.RoomHistory(publications=[types_pb2.Publication(epoch="e", offset=9, body=b"\xff")])
    ).publications
    assert (content.offset, content.text) == (9, "")
