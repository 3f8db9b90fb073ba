import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from chatcluster.connect import framing, v1_codec
from chatcluster.connect.dialects import TCP_PAGE
from chatcluster.connect.room import Gap, Item, Reset
from chatcluster.core import errors
from chatcluster.core.ids import RoomName
from chatcluster.frames import answers, disconnects
from chatcluster.v1 import types_pb2 as pb

ROOM = RoomName("room:1")
CODEC = v1_codec.Codec("v1", bytes, 1000)
ANN, BOB = pb.Member(user_id=1, user_name="ann"), pb.Member(user_id=2, user_name="bob")


def publication(text: str = "hello", **message: Any) -> pb.Publication:
    """A publication of ann's at offset 3."""
    body = pb.Message(id="m", from_user_id=1, from_user_name="ann", text=text, **message).SerializeToString()
    return pb.Publication(room=ROOM, epoch="e", offset=3, time_ms=5, body=body)


PLAIN = {"epoch": "e", "offset": 3, "time_ms": 5, "id": "m", "from": {"id": 1, "name": "ann"}, "text": "hello"}
PRIVATE = publication(to_user_id=2, to_user_name="bob")
PRIVATE.origin.CopyFrom(pb.Origin(room="dm:1:2", epoch="f", offset=9))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (publication(), {"type": "publication", "room": ROOM, **PLAIN}),
        (
            PRIVATE,
            {"type": "publication", "room": ROOM, **PLAIN, "to": {"id": 2, "name": "bob"}}
            | {"origin": {"room": "dm:1:2", "epoch": "f", "offset": 9}},
        ),
        (Gap(ROOM, 4, 6), {"type": "gap", "room": ROOM, "from": 4, "to": 6}),
        (Reset(ROOM, pb.Position(epoch="f", offset=2)), {"type": "reset", "room": ROOM, "epoch": "f", "offset": 2}),
        (
            pb.Ephemeral(room=ROOM, members=pb.RoomPresence(room=ROOM, count=2, members=[ANN, BOB])),
            {"type": "presence", "room": ROOM, "count": 2}
            | {"members": [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]},
        ),
        (
            pb.Ephemeral(room=ROOM, count=pb.RoomPresence(room=ROOM, count=0)),
            {"type": "presence", "room": ROOM, "count": 0},
        ),
        (
            pb.Ephemeral(room=ROOM, typing=pb.Typing(user=ANN)),
            {"type": "typing", "room": ROOM, "user": {"id": 1, "name": "ann"}},
        ),
        (
            pb.Ephemeral(room="user:2", conversation="dm:1:2", typing=pb.Typing(user=ANN)),
            {"type": "typing", "room": "user:2", "user": {"id": 1, "name": "ann"}, "conversation": "dm:1:2"},
        ),
        (
            pb.Ephemeral(room=ROOM, read=pb.ReadMark(user=ANN, position=pb.Position(epoch="e", offset=3))),
            {"type": "read", "room": ROOM, "user": {"id": 1, "name": "ann"}, "epoch": "e", "offset": 3},
        ),
    ],
)
def test_pushes(item: Item, expected: dict[str, Any]) -> None:
    """As docs/protocol.md has them."""
    assert json.loads(CODEC.encode(item)) == expected


def test_an_event_of_a_later_version_is_not_shown() -> None:
    """Old gateways and new tasks work side by side."""
    assert CODEC.encode(pb.Ephemeral(room=ROOM)) == b""


def test_what_cannot_be_decoded_keeps_its_place() -> None:
    """Its offset would be a hole to its readers."""
    shown = json.loads(CODEC.encode(pb.Publication(room=ROOM, epoch="e", offset=3, body=b"\xff")))

    assert (shown["offset"], shown["text"]) == (3, "")


def test_errors_say_whether_to_repeat() -> None:
    """A time to wait is in those that may be."""
    busy = json.loads(CODEC.refuse(7, errors.Busy("full"), is_send=True))
    invalid = json.loads(CODEC.refuse(7, errors.Invalid("wrong")))

    assert busy == {
        "type": "error", "id": 7, "code": "busy", "detail": "full", "stored": "no", "retry_after": 1,
    }  # fmt: skip
    assert invalid == {"type": "error", "id": 7, "code": "invalid", "detail": "wrong"}


def test_the_end_is_told() -> None:
    """Before a drain in whole milliseconds, and over TCP in the last frame."""
    assert json.loads(CODEC.reconnect(0.0101)) == {"type": "reconnect", "after_ms": 11}
    assert json.loads(CODEC.disconnect(disconnects.TOO_MANY))["reconnect"] is False


def test_a_page_holds_what_fits_and_at_least_one() -> None:
    """The first of them, in order."""
    small, large = publication("x"), publication("x" * 2000)

    pages = [CODEC.page(given) for given in ([], [small] * 3, [small] * 30, [large, small])]
    assert [len(page.publications) for page in pages] == [0, 3, 11, 1]
    assert [page.is_whole for page in pages] == [True, True, False, False]


@given(st.lists(st.text(max_size=1000).filter(lambda text: len(text.encode(errors="replace")) <= 4096), max_size=60))
def test_every_answer_fits_a_tcp_frame(texts: list[str]) -> None:
    """Whatever the texts are, a page of them with all that stands around it."""
    codec = v1_codec.Codec("v1_tcp", framing.frame, TCP_PAGE)
    valid = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in texts]
    page = codec.page([publication(text) for text in valid])
    answer = answers.Page(
        id=2**53 - 1,
        room="room:" + "x" * 64,
        epoch="e" * 64,
        offset=2**53 - 1,
        recovered=False,
        after=2**53 - 1,
        publications=page.publications,
        more=False,
    )
    frame = codec.answer(answer)

    assert len(frame) <= framing.MAX_BYTES
