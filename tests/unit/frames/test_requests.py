from typing import Any

import msgspec
import pytest

from chatcluster.core import ids
from chatcluster.frames import requests
from chatcluster.v1 import types_pb2 as pb

PLACE = {"epoch": "e", "offset": 3}


@pytest.mark.parametrize(
    ("kind", "given", "taken"),
    [
        ("auth", {}, False),
        ("auth", {"token": "t"}, True),
        ("auth", {"ticket": "t", "token": None}, True),
        ("auth", {"token": "t", "ticket": "t"}, False),
        ("send", {"message_id": "m", "text": "x"}, False),
        ("send", {"message_id": "m", "text": "x", "user": 0}, True),
        ("send", {"message_id": "m", "text": "x", "room": "room:1", "user": 1}, False),
        ("history", {"room": "room:1"}, True),
        ("history", {"room": "room:1", "since": PLACE, "before": PLACE}, False),
    ],
)
def test_a_choice_is_made(kind: str, given: dict[str, Any], taken: bool) -> None:
    """Exactly one of two, or at most one; null is nothing."""
    try:
        msgspec.convert({"type": kind, "id": 1, **given}, requests.AnyRequest)
    except msgspec.ValidationError:
        assert not taken
    else:
        assert taken


def test_a_position_is_what_programs_tell_one_another() -> None:
    """Epoch and offset."""
    assert requests.Position("e", 3).to_message() == pb.Position(epoch="e", offset=3)


def test_numbers_are_what_every_json_reader_holds() -> None:
    """And no more, also where Redis could count on."""
    most = {"type": "read", "id": 2**53 - 1, "room": ids.room(1), "epoch": "e", "offset": 2**53 - 1}
    assert msgspec.convert(most, requests.AnyRequest).id == 2**53 - 1
    for name in ("id", "offset"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**most, name: 2**53}, requests.AnyRequest)
