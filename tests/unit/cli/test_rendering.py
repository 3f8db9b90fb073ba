"""Items as lines."""

import json
from datetime import UTC

import pytest

from chatcluster.cli import rendering
from chatcluster.client.items import (
    Gap,
    Item,
    Message,
    NotRecovered,
    Position,
    Presence,
    Read,
    Reset,
    Typing,
    User,
)

ADA, BOB = User(1, "ada"), User(2, "bob")
AT = Position("e1", 7)
MESSAGE = Message("room:1", AT, 1_000, "m", ADA, "hi")


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (MESSAGE, "00:00:01 ada: hi"),
        (Message("user:2", AT, 1_000, "m", ADA, "hi", BOB), "00:00:01 ada to bob: hi"),
        (Gap("room:1", 2, 5), "-- messages 2 to 5 are gone"),
        (Reset("room:1", AT), "-- the store lost what came after message 7"),
        (
            NotRecovered("room:1", AT),
            "-- what was shown after message 7 is void; from here on it is complete",
        ),
        (Presence("room:1", 2, (ADA, BOB)), "-- 2 here: ada, bob"),
        (Presence("room:1", 500, None), "-- 500 here"),
        (Typing("room:1", ADA), "-- ada is typing"),
        (Read("room:1", ADA, AT), "-- ada has read up to message 7"),
        (Typing("user:2", ADA, "dm:1:2"), "-- ada is typing in dm:1:2"),
        (Read("user:2", ADA, AT, "dm:1:2"), "-- ada has read up to message 7 in dm:1:2"),
    ],
)
def test_every_item_has_a_line_and_json(item: Item, line: str) -> None:
    """A person reads the line; a program finds type and room in each object."""
    found = json.loads(rendering.json(rendering.fields(item)))

    assert rendering.line(item, UTC) == line
    assert found["type"]
    assert found["room"] == item.room


def test_a_message_has_all_its_parts_for_a_program() -> None:
    """The names are the protocol's."""
    assert rendering.fields(MESSAGE) == {
        "type": "message",
        "room": "room:1",
        "epoch": "e1",
        "offset": 7,
        "time_ms": 1_000,
        "id": "m",
        "from": {"id": 1, "name": "ada"},
        "text": "hi",
    }


def test_a_hint_in_an_inbox_has_its_conversation() -> None:
    """And none elsewhere."""
    assert rendering.fields(Typing("user:2", ADA, "dm:1:2")) == {
        "type": "typing",
        "room": "user:2",
        "user": {"id": 1, "name": "ada"},
        "conversation": "dm:1:2",
    }
    assert "conversation" not in rendering.fields(Read("room:1", ADA, AT))


def test_what_others_write_has_no_power_over_the_terminal() -> None:
    """Escapes, new lines and direction marks are shown as what they are; letters and emoji stay."""
    text = "a\x1b[2Jb\nc\u202ed\x9b1m é 👩\u200d💻"

    assert rendering.safe(text) == "a\\x1b[2Jb\\nc\\u202ed\\x9b1m é 👩\u200d💻"
