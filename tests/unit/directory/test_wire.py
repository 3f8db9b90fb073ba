import json
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from chatcluster.directory import wire
from chatcluster.directory.slices import Endpoint
from chatcluster.directory.wire import Reason
from support.apiserver import GONE, endpoint_slice

SLICE = {**endpoint_slice("a", "10.0.0.1"), "metadata": {"name": "a", "resourceVersion": "7"}}


def line(kind: str, thing: dict[str, Any]) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"


def failure(text: bytes) -> wire.Failed:
    """What comes of a line that is no event."""
    with pytest.raises(wire.Failed) as caught:
        wire.event(text)
    return caught.value


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED"])
def test_events_carry_a_slice(kind: str) -> None:
    """What happened, to which slice, and the version to go on from."""
    event = wire.event(line(kind, SLICE))

    assert (event.type, event.version, event.slice.metadata.name) == (kind, "7", "a")
    assert event.slice.serving("grpc") == {Endpoint("uid-of-10.0.0.1", "10.0.0.1:6900")}


def test_a_bookmark_carries_a_version() -> None:
    """And what else may stand in its object does not matter."""
    event = wire.event(line("BOOKMARK", {"metadata": {"resourceVersion": "9"}, "endpoints": 1}))

    assert (event.type, event.version) == ("BOOKMARK", "9")


def test_an_error_event_is_a_failure() -> None:
    """410 has a reason of its own; after either everything is to be listed."""
    gone, broken = failure(line("ERROR", GONE)), failure(line("ERROR", {"code": 500, "message": "etcd"}))

    assert (gone.reason, gone.stale) == (Reason.GONE, True)
    assert (broken.reason, broken.stale, str(broken)) == (Reason.ERROR, True, "error: 500 etcd")


@pytest.mark.parametrize(
    "text",
    [
        b"\n",
        b"{]\n",
        b"null\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":"\xff"}\n',
        line("ADDED", {"metadata": {"name": "a"}}),
        line("ADDED", {**SLICE, "endpoints": "many"}),
        line("RENAMED", SLICE),
        line("BOOKMARK", {}),
    ],
)
def test_what_is_no_event_is_unreadable(text: bytes) -> None:
    """And everything is to be listed: what the line wanted to say would be missed."""
    found = failure(text)

    assert (found.reason, found.stale) == (Reason.UNREADABLE, True)


def test_half_a_line_says_that_the_connection_was_cut() -> None:
    """The watch can go on from where it was: the event comes again."""
    found = failure(line("ADDED", SLICE)[:-1])

    assert (found.reason, found.stale) == (Reason.CUT, False)


@given(st.binary(max_size=200) | st.recursive(st.none(), lambda v: st.dictionaries(st.text(), v)).map(json.dumps))
@example(b'{"type":"ERROR","object":{"code":"x"}}')
def test_nothing_but_a_failure_comes_of_garbage(text: bytes | str) -> None:
    """Whatever comes, no other exception does."""
    garbage = text if isinstance(text, bytes) else text.encode()

    failure(garbage + b"\n")
    with pytest.raises(wire.Failed):
        wire.page(garbage)
    assert isinstance(wire.refusal(500, garbage), wire.Failed)


def test_a_page_says_what_follows() -> None:
    """Its slices, its version, and how to ask for the next."""
    page = wire.page(json.dumps({"metadata": {"resourceVersion": "5", "continue": "x"}, "items": [SLICE]}).encode())

    assert (page.metadata.resource_version, page.metadata.following) == ("5", "x")
    assert page.items is not None
    assert [found.metadata.name for found in page.items] == ["a"]


def test_a_page_may_be_empty() -> None:
    """Without slices, or with `null` for them, as Go writes an empty list."""
    assert wire.page(b'{"metadata":{"resourceVersion":"5"},"items":null}').items is None


@pytest.mark.parametrize(
    ("status", "reason", "stale"),
    [
        (400, Reason.STATUS, True),
        (401, Reason.REFUSED, False),
        (403, Reason.REFUSED, False),
        (404, Reason.STATUS, True),
        (410, Reason.GONE, True),
        (429, Reason.STATUS, False),
        (500, Reason.STATUS, False),
        (504, Reason.STATUS, False),
    ],
)
def test_a_status_says_whether_the_version_is_to_blame(status: int, reason: Reason, stale: bool) -> None:
    """Who is refused, or meets a server that is busy or broken, may go on from the same version later."""
    found = wire.refusal(status, b'{"message":"because"}')

    assert (found.reason, found.stale, str(found)) == (reason, stale, f"{reason}: {status} because")


def test_an_explanation_is_cut() -> None:
    """A proxy's page of HTML does not go into the log as a whole."""
    assert len(str(wire.refusal(502, b"<html>" * 1000))) < 400
