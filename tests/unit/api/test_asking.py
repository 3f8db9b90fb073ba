from contextlib import suppress

import pytest
from hypothesis import given, strategies as st
from starlette.requests import Request

from chatcluster.api import asking, shapes
from chatcluster.core import errors


def request(**parameters: str) -> Request:
    """A request with these words in its path."""
    return Request({"type": "http", "headers": [], "path_params": parameters})


@pytest.mark.parametrize(
    ("written", "name"), [("7", "room:7"), ("room:lobby", "room:lobby"), ("dm:3:42", "dm:3:42"), ("", "room:")]
)
def test_a_room_without_a_kind_is_open(written: str, name: str) -> None:
    """Whether there is such a room is logic's to say."""
    assert asking.room(request(room=written)) == name


@pytest.mark.parametrize("written", ["0", "bob", "-1", "2147483648", "9" * 30, "\u0661", ""])
def test_what_no_user_is_called_is_nobody(written: str) -> None:
    """And needs no look-up."""
    assert asking.user(request(user="2147483647")) == 2_147_483_647
    with pytest.raises(errors.NotFound):
        asking.user(request(user=written))


@pytest.mark.parametrize(
    ("written", "number"), [(b"5", 5), (b"5.0", 5), (b"5e2", 500), (b"9007199254740991", 2**53 - 1)]
)
def test_a_whole_number_is_whole_however_it_is_written(written: bytes, number: int) -> None:
    """As JSON Schema has it, and without losing a bit."""
    mark = asking.decoded(b'{"epoch":"","offset":' + written + b"}", shapes.Mark)
    assert int(mark.offset) == number


@pytest.mark.parametrize("written", [b"0.5", b"-1", b"9007199254740992", b"NaN", b"1e400", b'"1"', b"true"])
def test_another_number_is_refused(written: bytes) -> None:
    """Rather than rounded."""
    with pytest.raises(errors.Invalid):
        asking.decoded(b'{"epoch":"","offset":' + written + b"}", shapes.Mark)


@given(st.binary())
def test_any_bytes_raise_nothing_but_invalid(body: bytes) -> None:
    """Whatever a body holds, it is what was expected or refused."""
    for shape in (shapes.Draft, shapes.Credentials, shapes.Mark):
        with suppress(errors.Invalid):
            asking.decoded(body, shape)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"ann","password":7}',
        b'{"name":"ann","password":"hunter2","more":1}',
        b'{"name":7,"password":"hunter2"}',
        b'{"name":"ann","password":"hunter2"',
        b'{"name":"ann","password":"hunter2\xff"}',
        b'{"name":"' + b"x" * 65 + b'","password":"hunter2"}',
        b'{"name":"ann","password":"' + b"hunter2" * 200 + b'"}',
        b'"hunter2"',
        b"hunter2",
    ],
)
def test_a_refusal_never_shows_a_password(body: bytes) -> None:
    """It says where the body is wrong, and not what stands there."""
    with pytest.raises(errors.Invalid) as refused:
        asking.decoded(body, shapes.Credentials)

    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in str(refused.value.__cause__)
