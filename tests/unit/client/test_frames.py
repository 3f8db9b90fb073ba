"""Frames of a gateway, as they are read."""

import json

import pytest

from chatcluster.client import frames
from chatcluster.client.items import Message, Origin, Position, User


def test_a_private_publication_has_all_its_parts() -> None:
    """Sender, recipient and the place in the conversation come out typed; what is unknown is ignored."""
    place = {"room": "user:2", "epoch": "e1", "offset": 3, "time_ms": 5, "id": "m"}
    people = {"from": {"id": 1, "name": "ada"}, "to": {"id": 2, "name": "bob", "mood": "new"}}
    origin = {"origin": {"room": "dm:1:2", "epoch": "e9", "offset": 7}}
    push = frames.decode(json.dumps({"type": "publication", **place, **people, **origin, "text": "hi", "later": 1}))

    assert isinstance(push, frames.Publication)
    assert push.message("user:2") == Message(
        "user:2", Position("e1", 3), 5, "m", User(1, "ada"), "hi", User(2, "bob"), Origin("dm:1:2", Position("e9", 7))
    )


def test_what_a_newer_gateway_pushes_is_ignored() -> None:
    """A push of an unknown type is nothing."""
    assert frames.decode('{"type": "weather", "room": "room:1"}') is None


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"type": 1}', '{"type": "ok"}', '{"type": "publication"}', b"\xff"),
        *('{"type": "ok", "id": "7"}', '{"type": "gap", "room": "r", "from": "1", "to": 2}', "[" * 100_000),
    ],
)
def test_what_is_no_frame_is_told(text: str | bytes) -> None:
    """Anything that does not fit is one error, whatever the JSON library says."""
    with pytest.raises(frames.BadFrame):
        frames.decode(text)


def test_an_error_without_a_request_is_read() -> None:
    """A gateway's last word may answer no request."""
    assert frames.decode('{"type": "error", "code": "session"}') == frames.Refusal(0, "session")


def test_a_request_has_no_fields_that_are_not_set() -> None:
    """Gateways refuse fields that they do not know, `null` among them."""
    assert json.loads(frames.encode(3, {"type": "join", "room": "room:1", "since": None})) == {
        "id": 3,
        "type": "join",
        "room": "room:1",
    }
