import asyncio
from collections.abc import Sequence

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from chatcluster.api import refusals
from chatcluster.api.bodies import Bodies
from chatcluster.core import errors

BODIES = Bodies(limit=10, timeout=5)


def request(parts: Sequence[bytes | None], **headers: str) -> Request:
    """A request whose body comes in parts; None: the client goes away. After the last it waits for ever."""
    left = list(parts)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        part = left.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(part)}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


async def test_a_body_is_put_together() -> None:
    """Parts in their order, up to the limit."""
    assert await BODIES.read(request([b"12345", b"67890", b""])) == b"1234567890"


async def test_a_head_that_announces_too_much_is_refused_unread() -> None:
    """Nothing of the body is waited for."""
    with pytest.raises(refusals.BodyTooLarge):
        await BODIES.read(request([], content_length="11"))


async def test_a_body_that_grows_too_large_is_refused_on_the_way() -> None:
    """A chunked body is counted as it comes, and its end is not waited for."""
    with pytest.raises(refusals.BodyTooLarge):
        await BODIES.read(request([b"123456", b"78901"]))


async def test_a_body_that_does_not_come_is_refused_in_time() -> None:
    """The deadline is for the whole body, whatever trickles in."""
    with pytest.raises(refusals.BodyTooSlow):
        await Bodies(limit=10, timeout=0.02).read(request([b"1"]))


async def test_a_client_that_goes_away_ends_the_reading() -> None:
    """Nothing of a half body is used."""
    with pytest.raises(ClientDisconnect):
        await BODIES.read(request([b"1", None]))


async def test_a_text_has_to_be_utf_8() -> None:
    """Other bytes are refused with the place of the first that is wrong."""
    assert await BODIES.text(request(["é".encode(), b""])) == "é"
    with pytest.raises(errors.Invalid, match="not UTF-8: invalid start byte at byte 1"):
        await BODIES.text(request([b"a\xff", b""]))
