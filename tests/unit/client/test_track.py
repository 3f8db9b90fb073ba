"""What a room shows, frame by frame."""

from typing import Any

import msgspec
import pytest

from chatcluster.client import answers, frames
from chatcluster.client.items import (
    BEGINNING,
    Gap,
    Item,
    Message,
    NotRecovered,
    Position,
    Presence,
    Read,
    Reset,
    Typing,
)
from chatcluster.client.track import Track

AT = Position("e1", 9)


def publication(offset: int, epoch: str = "e1") -> frames.Publication:
    """One publication."""
    place = {"room": "room:1", "epoch": epoch, "offset": offset, "time_ms": 5, "id": f"{epoch}-{offset}"}
    return msgspec.convert({**place, "from": {"id": 1, "name": "ada"}, "text": "hi"}, frames.Publication)


def answer(*publications: frames.Publication, **rest: Any) -> answers.JoinAnswer:
    """Return what a join is answered with."""
    return answers.JoinAnswer(**{"epoch": "e1", "offset": 9, "publications": list(publications), **rest})


def joined(since: Position | None = AT, **rest: Any) -> Track:
    """Return a room that is heard, at offset 9 of e1."""
    track = Track("room:1", since, **rest)
    track.ask()
    track.answered(answer())
    return track


def shown(track: Track) -> list[Item | int]:
    """Take everything; messages by their offsets."""
    items: list[Item | int] = []
    while item := track.take():
        items.append(item.position.offset if isinstance(item, Message) else item)
    return items


def test_a_room_begins_at_its_newest() -> None:
    """Without a position to go on from, what comes after the answer is shown."""
    track = joined(None)
    track.pushed(publication(10))

    assert track.joined_at == Position("e1", 9)
    assert shown(track) == [10]


def test_what_was_shown_is_not_shown_again() -> None:
    """A publication that is repeated, by push or by answer, is dropped."""
    track = joined()
    for offset in (10, 11, 10, 11, 9):
        track.pushed(publication(offset))
    track.answered(answer(publication(11), publication(12)))

    assert shown(track) == [10, 11, 12]
    assert not track.wants_join


def test_a_hole_is_read_and_not_shown() -> None:
    """What does not follow is not shown: the room is joined again from where it stands, and the answer fills it."""
    track = joined()
    track.pushed(publication(11))
    track.pushed(publication(12))

    assert shown(track) == []
    assert track.wants_join
    assert track.holes == 1
    assert track.ask() == {"room": "room:1", "since": {"epoch": "e1", "offset": 9}}

    track.answered(answer(publication(10), publication(11), publication(12)))

    assert shown(track) == [10, 11, 12]
    assert not track.wants_join


def test_nothing_is_believed_after_a_reset_until_a_join_is_answered() -> None:
    """A push that would follow by its number belongs to the new epoch, whose earlier ones are missing."""
    track = joined()
    track.pushed(msgspec.convert({"room": "room:1", "epoch": "e2", "offset": 7}, frames.ResetPush))
    track.pushed(publication(8, "e2"))
    track.pushed(publication(9, "e2"))
    track.pushed(publication(10, "e2"))

    assert shown(track) == [Reset("room:1", Position("e2", 7))]
    assert track.ask()["since"] == {"epoch": "e1", "offset": 9}

    ours = [publication(offset, "e2") for offset in (8, 9, 10)]
    track.answered(answer(*ours, epoch="e2", offset=10, recovered=False, after=7))

    assert shown(track) == [NotRecovered("room:1", Position("e2", 7)), 8, 9, 10]


def test_an_answer_to_an_older_question_does_not_end_a_doubt() -> None:
    """A join that was sent before the room fell behind says nothing of what went missing since."""
    track = joined()
    track.ask()
    track.pushed(publication(11))
    track.answered(answer())

    assert track.wants_join

    track.pushed(publication(10))

    assert shown(track) == []


def test_a_reset_beyond_the_position_is_told_to_nobody() -> None:
    """What the store lost was never shown: the room only asks whether it can read on."""
    track = joined()
    track.pushed(msgspec.convert({"room": "room:1", "epoch": "e2", "offset": 9}, frames.ResetPush))

    assert shown(track) == []
    assert track.wants_join


def test_a_gap_is_told_and_skipped() -> None:
    """The gap counts from where the room stands, and what comes after it is shown."""
    track = joined()
    track.pushed(msgspec.convert({"room": "room:1", "from": 8, "to": 12}, frames.GapPush))
    track.pushed(publication(13))

    assert shown(track) == [Gap("room:1", 10, 12), 13]


def test_a_gap_after_a_hole_is_not_believed() -> None:
    """What lies before the gap is missing without a word: only a join can tell."""
    track = joined()
    track.pushed(msgspec.convert({"room": "room:1", "from": 11, "to": 12}, frames.GapPush))

    assert shown(track) == []
    assert track.wants_join


def test_pages_are_asked_for_until_the_room_is_joined() -> None:
    """An answer that is not all leads to the next join, from its last publication."""
    track = Track("room:1", BEGINNING)
    track.ask()
    track.answered(answer(publication(1), publication(2), joined=False))

    assert track.wants_join
    assert track.ask()["since"] == {"epoch": "e1", "offset": 2}


def test_an_epoch_that_began_without_loss_is_adopted() -> None:
    """A room at its newest takes the current epoch: the server remembers only the last few."""
    track = Track("room:1", Position("e1", 9))
    track.ask()
    track.answered(answer(epoch="e3"))

    assert track.position == Position("e3", 9)


def test_publications_of_an_earlier_epoch_follow_when_history_begins_there() -> None:
    """Where history was cut before the current epoch began, what is left of the earlier one is shown."""
    track = Track("room:1", BEGINNING)
    track.ask()
    rest = [publication(6), publication(7), publication(8, "e2")]
    track.answered(answer(*rest, epoch="e2", offset=8, recovered=False, after=5))

    assert shown(track) == [NotRecovered("room:1", Position("e1", 5)), 6, 7, 8]


def test_a_full_room_takes_nothing_and_reads_on_when_there_is_space() -> None:
    """At the bound messages stay with the server, without a hole; the join comes once half is taken."""
    track = joined(bound=4)
    for offset in range(10, 16):
        track.pushed(publication(offset))

    assert track.waiting == 4
    assert not track.wants_join

    taken = [track.take(), track.take()]

    assert [item.position.offset for item in taken if isinstance(item, Message)] == [10, 11]
    assert track.wants_join
    assert track.ask()["since"] == {"epoch": "e1", "offset": 13}


def test_a_broken_server_never_shows_a_place_twice() -> None:
    """An answer that leads back behind what was shown in the same epoch is told, and shows only what is beyond that."""
    track = joined()
    track.pushed(publication(10))
    track.ask()
    back = [publication(8), publication(9), publication(10), publication(11)]
    track.answered(answer(*back, offset=7, recovered=False, after=7))

    assert shown(track) == [10, NotRecovered("room:1", Position("e1", 7)), 11]


@pytest.mark.parametrize("hints", [True, False])
def test_hints_are_shown_to_who_wants_them(hints: bool) -> None:
    """Presence is an item only of a room that was joined with hints."""
    track = joined(hints=hints)
    track.pushed(frames.PresencePush("room:1", 2, None))

    assert shown(track) == ([Presence("room:1", 2, None)] if hints else [])


def test_hints_in_an_inbox_tell_of_which_conversation() -> None:
    """Who is typing to the user, and how far which conversation was read on another device or by the other."""
    track, ada = joined(hints=True), frames.Person(1, "ada")
    track.pushed(frames.TypingPush("room:1", ada, "dm:1:2"))
    track.pushed(frames.ReadPush("room:1", ada, "e7", 3, "dm:1:2"))

    assert shown(track) == [
        Typing("room:1", ada.user, "dm:1:2"),
        Read("room:1", ada.user, Position("e7", 3), "dm:1:2"),
    ]


def test_joins_that_bring_nothing_are_counted() -> None:
    """Whoever asks can wait longer each time; progress ends that."""
    track = joined()
    track.pushed(publication(12))
    for _ in range(3):
        track.ask()
        track.answered(answer(publication(12)))

    assert track.stalls == 3

    track.ask()
    track.answered(answer(publication(10)))

    assert track.stalls == 0
