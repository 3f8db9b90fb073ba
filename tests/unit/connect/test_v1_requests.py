import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from chatcluster.connect import v1_requests as requests
from chatcluster.connect.protocol import ProtocolError
from chatcluster.core import errors
from chatcluster.frames import disconnects
from chatcluster.frames.requests import Members, Position
from chatcluster.v1 import types_pb2 as pb

PLACE = {"epoch": "e", "offset": 3}
RIGHT: list[dict[str, Any]] = [
    {"type": "auth", "token": "t"},
    {"type": "auth", "ticket": "t"},
    {"type": "join", "room": "room:1"},
    {"type": "join", "room": "room:1", "since": PLACE},
    {"type": "leave", "room": "room:1"},
    {"type": "send", "room": "room:1", "message_id": "m", "text": "x", "age_ms": 5},
    {"type": "send", "user": 7, "message_id": "m", "text": "x"},
    {"type": "history", "room": "room:1", "since": PLACE, "limit": 1000},
    {"type": "history", "room": "room:1", "before": PLACE},
    {"type": "members", "room": "room:1"},
    {"type": "typing", "room": "room:1"},
    {"type": "read", "room": "room:1", **PLACE},
    {"type": "ping"},
]


def encode(**fields: Any) -> bytes:
    """A frame's payload."""
    return json.dumps({"id": 1, **fields}).encode()


@pytest.mark.parametrize("fields", RIGHT, ids=lambda fields: str(fields["type"]))
def test_every_request_is_read(fields: dict[str, Any]) -> None:
    """With all that it says, and nothing else."""
    request = requests.read(encode(**fields))
    said = {name: value for name, value in fields.items() if name != "type"}

    assert request.id == 1
    assert {name: _plain(getattr(request, name)) for name in said} == said


def _plain(value: Any) -> Any:
    return {"epoch": value.epoch, "offset": value.offset} if isinstance(value, Position) else value


@pytest.mark.parametrize("fields", RIGHT, ids=lambda fields: str(fields["type"]))
def test_what_this_version_does_not_know_is_refused(fields: dict[str, Any]) -> None:
    """In answer to the request: half understood would be a lie."""
    with pytest.raises(requests.Refused, match="unknown") as refused:
        requests.read(encode(**fields, unknown=1))

    assert (refused.value.request, type(refused.value.error)) == (1, errors.Invalid)


@pytest.mark.parametrize("number", [0, -1, 2**53, 1.5, "1", None, True])
def test_an_id_that_is_none(number: object) -> None:
    """There is nothing to answer to."""
    with pytest.raises(ProtocolError) as refused:
        requests.read(json.dumps({"type": "ping", "id": number}).encode())

    assert refused.value.disconnect is disconnects.BAD_FRAME


def test_a_position_is_what_programs_tell_one_another() -> None:
    """Epoch and offset."""
    assert Position("e", 3).to_message() == pb.Position(epoch="e", offset=3)


ANYTHING = st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())


@given(st.binary() | ANYTHING)
def test_any_bytes(payload: bytes) -> None:
    """Nothing but the protocol's own errors, whatever comes."""
    with contextlib.suppress(ProtocolError, requests.Refused):
        requests.read(payload)
    requests.is_request(payload)


@given(
    st.dictionaries(
        st.sampled_from(["type", "id", "room", "user", "text", "message_id", "since", "before", "limit", "token"]),
        st.none() | st.integers() | st.text(max_size=5) | st.just(PLACE) | st.sampled_from([r["type"] for r in RIGHT]),
    )
)
def test_any_fields(fields: dict[str, Any]) -> None:
    """Likewise for what looks like a request."""
    with contextlib.suppress(ProtocolError, requests.Refused):
        requests.read(json.dumps(fields).encode())


@pytest.mark.parametrize(
    ("payload", "is_request"),
    [
        (b'{"type":"auth","id":1,"token":"t"}', True),
        (b'{"type":1}', True),
        (b'{"authToken":"t","roomId":1,"op":6}', False),
        (b"[]", False),
        (b"\xff", False),
        (b'{"type":', False),
        (b"[" * 100_000, False),
    ],
)
def test_the_first_frame_tells_the_protocol(payload: bytes, is_request: bool) -> None:
    """An object with a type is v1's; whatever is wrong with the rest will be told in v1's words."""
    assert requests.is_request(payload) is is_request


def test_rooms_of_others_are_not_readable() -> None:
    """Nor is what is no room."""
    assert requests.readable(Members(1, "dm:1:2"), 2) == "dm:1:2"
    with pytest.raises(errors.Forbidden):
        requests.readable(Members(1, "dm:1:2"), 3)
    with pytest.raises(errors.Invalid):
        requests.readable(Members(1, "lobby"), 3)
