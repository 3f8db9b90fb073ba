import json
from typing import Any

import msgspec
import pytest

from chatcluster.frames import pushes
from chatcluster.frames.parts import Person

ANN = Person(1, "ann")
PLACE = {"epoch": "e", "offset": 3}


@pytest.mark.parametrize(
    ("push", "expected"),
    [
        (
            pushes.Published(room="room:1", time_ms=5, id="m", sender=ANN, text="hi", **PLACE),  # type: ignore[arg-type]
            {"type": "publication", "room": "room:1", "time_ms": 5, "id": "m", "text": "hi", **PLACE}
            | {"from": {"id": 1, "name": "ann"}},
        ),
        (pushes.Presence("room:1", 300), {"type": "presence", "room": "room:1", "count": 300}),
        (pushes.Gap("room:1", 4, 6), {"type": "gap", "room": "room:1", "from": 4, "to": 6}),
    ],
)
def test_names_are_the_protocol_s(push: msgspec.Struct, expected: dict[str, Any]) -> None:
    """Also where they are no names in Python; what is absent is not there."""
    assert json.loads(msgspec.json.encode(push)) == expected


def test_a_push_has_no_id_of_a_request() -> None:
    """By that it is told from an answer; a publication's own is text."""
    named = {kind for kind in pushes.ALL + pushes.TCP_ONLY if "id" in kind.__struct_fields__}

    assert named == {pushes.Published}
