"""Rooms and people on the command line."""

import pytest

from chatcluster.cli import targets
from chatcluster.core import errors


@pytest.mark.parametrize(
    ("text", "name"),
    [("7", "room:7"), ("lobby", "room:lobby"), ("room:x", "room:x"), ("inbox", "user:3"), ("dm:3:42", "dm:3:42")],
)
def test_a_room_has_short_names(text: str, name: str) -> None:
    """A number is gochat's room, a word an open one, and the inbox one's own."""
    assert targets.room(text, 3) == name


@pytest.mark.parametrize("text", ["", "room:", "room:a b", "dm:42:3", "7/../8", "weather:1"])
def test_what_is_no_room_is_refused_before_anything_is_asked(text: str) -> None:
    """The error names the forms that exist."""
    with pytest.raises(errors.Invalid, match="room:"):
        targets.room(text, 3)


def test_rooms_of_others_are_refused_at_once() -> None:
    """Somebody else's conversation."""
    with pytest.raises(errors.Forbidden):
        targets.room("dm:4:5", 3)


@pytest.mark.parametrize(
    ("text", "target"), [("@42", {"user": 42}), ("user:42", {"user": 42}), ("7", {"room": "room:7"})]
)
def test_a_message_goes_to_a_person_or_a_room(text: str, target: dict[str, object]) -> None:
    """`@` and a number is a person."""
    assert targets.target(text, 3) == target


def test_nobody_sends_to_an_inbox() -> None:
    """It is where messages are read."""
    with pytest.raises(errors.Invalid, match="inbox"):
        targets.target("inbox", 3)
