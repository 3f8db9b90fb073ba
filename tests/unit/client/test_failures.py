"""What ends a client, and what does not."""

import pytest

from chatcluster.client import failures, frames
from chatcluster.core import errors
from chatcluster.frames import disconnects


@pytest.mark.parametrize("disconnect", disconnects.ALL, ids=lambda each: each.code)
def test_the_client_comes_back_where_the_table_says_so(disconnect: disconnects.Disconnect) -> None:
    """Gateway and client agree about every code; 1000 is the client's own, and from a proxy it means nothing."""
    expected = disconnect.reconnect or disconnect is disconnects.LEFT

    assert failures.comes_back(disconnect.code) == expected


def test_a_bad_session_is_told_as_such() -> None:
    """Whoever has to log in again is told so; the rest has the code."""
    assert isinstance(failures.of_close(4502, "over"), errors.SessionEnded)

    closed = failures.of_close(4503, "too many")

    assert isinstance(closed, failures.Closed)
    assert closed.disconnect == 4503


@pytest.mark.parametrize("code", ["too_many_rooms", "not_joined", "conflict", "session", "from a later version"])
def test_a_refusal_keeps_its_code(code: str) -> None:
    """Errors of the protocol have classes of their own; an unknown one is the root's."""
    error = failures.of_refusal(frames.Refusal(1, code, "because", retry_after=2.0))

    assert error.code in {code, errors.ChatError.code}
    assert (str(error), error.retry_after) == ("because", 2.0)
