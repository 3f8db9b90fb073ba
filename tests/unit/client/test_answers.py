"""What answers say to an application."""

import pytest

from chatcluster.client import answers, frames
from chatcluster.client.items import Page, Position, Presence, Receipt, User


def test_a_message_is_answered_with_its_place() -> None:
    """The receipt has room, position, time and id."""
    place = {"room": "room:1", "epoch": "e1", "offset": 3, "time_ms": 5, "message_id": "m", "repeated": True}

    assert answers.read("send", place) == Receipt("room:1", Position("e1", 3), 5, "m", repeated=True)


def test_a_page_of_history_has_its_messages() -> None:
    """The room is named once, and each message has it."""
    publication = {"epoch": "e1", "offset": 3, "time_ms": 5, "id": "m", "from": {"id": 1, "name": "ada"}, "text": "hi"}
    head = {"room": "room:1", "epoch": "e2", "offset": 4, "recovered": False, "after": 2, "more": True}
    page = answers.read("history", {**head, "publications": [publication]})

    assert isinstance(page, Page)
    assert (page.newest, page.recovered, page.after, page.more) == (Position("e2", 4), False, 2, True)
    assert [(message.room, message.text) for message in page.messages] == [("room:1", "hi")]


def test_members_and_time_are_answered() -> None:
    """Who is here, and the server's clock."""
    members = {"room": "room:1", "count": 1, "members": [{"id": 1, "name": "ada"}]}

    assert answers.read("members", members) == Presence("room:1", 1, (User(1, "ada"),))
    assert answers.read("ping", {"time_ms": 5}) == 5
    assert answers.read("read", {"room": "room:1"}) is None


def test_an_answer_that_does_not_fit_is_told() -> None:
    """A receipt without a position is none."""
    with pytest.raises(frames.BadFrame):
        answers.read("send", {"room": "room:1"})
