"""Frames of v1, held to the AsyncAPI document: all that the clients of tests say and hear.

A websocket client of the `websockets` library is watched wherever it comes from, the product's own included, as long
as the block of `watched`; others hand their frames to a `Conversation`. What does not fit is kept, and the test in
which it was said fails at its end (`verdict`): a client's own task may be the last to hear of an error.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
from websockets.asyncio import client as websockets_client
from websockets.asyncio.client import ClientConnection

from chatcluster.api import asyncapi
from chatcluster.frames import exchanges, pushes
from support import canaries

SEEN: Final[Counter[str]] = Counter()
"""How often each message of the document was seen in this run."""
_FAULTS: Final[list[str]] = []

_Frame = dict[str, Any]


class Wrong(str):
    """A frame that a test sends to see it refused."""

    __slots__ = ()


@cache
def document() -> asyncapi.Document:
    """The document."""
    return asyncapi.document("0")


@cache
def definition() -> Any:
    """What a document of AsyncAPI 3.0 is: the AsyncAPI Initiative's own JSON schema (Apache-2.0)."""
    return json.loads(gzip.decompress((Path(__file__).parent / "asyncapi-3.0.0.json.gz").read_bytes()))


def verdict() -> None:
    """Fail if anything was said since the last verdict that is not in the document."""
    faults, _FAULTS[:] = _FAULTS[:], []
    assert not faults, f"{len(faults)} frames are not as the AsyncAPI document has them: {faults[:5]}"


def fits(name: str, frame: Mapping[str, Any]) -> bool:
    """Whether a frame is a message of that name."""
    return not _fault(name, frame)


class Conversation:
    """The frames of one connection, in both directions."""

    def __init__(self, *, careful: bool = True) -> None:
        """`careful`: the client means what it says. Else what does not fit must only not be done."""
        self._careful = careful
        self._asked: defaultdict[int, list[tuple[str, bool]]] = defaultdict(list)
        """The requests that have an id and no answer yet, and whether they were right."""

    def asked(self, payload: str | bytes) -> None:
        """A client's frame."""
        careful = self._careful and not isinstance(payload, Wrong)
        frame = _object(payload)
        name = frame.get("type")
        fault = _fault(name, frame) if name in _requests() else "no request"
        if name in _requests() and type(number := frame.get("id")) is int:
            self._asked[number].append((name, not fault))
        if isinstance(text := frame.get("text"), str):
            canaries.note(text)
        if fault and careful:
            _FAULTS.append(f"a client said {payload!r}: {fault}")
        if not fault:
            SEEN[str(name)] += 1

    def told(self, payload: str | bytes) -> None:
        """A gateway's frame."""
        text = payload.decode() if isinstance(payload, bytes) else payload
        if text == pushes.HEARTBEAT:
            SEEN["pushHeartbeat"] += 1
            return
        frame = _object(text)
        name = self._message(frame)
        fault = _fault(name, frame) if name else "it answers nothing that was asked"
        SEEN[name] += not fault
        if fault:
            _FAULTS.append(f"a gateway said {text!r}: {fault}")

    def closed(self, code: int) -> None:
        """The gateway's own close frame."""
        if code not in {cause["code"] for cause in document()["channels"][asyncapi.CHANNEL]["x-close-codes"]}:
            _FAULTS.append(f"a gateway closed with {code}")

    def _message(self, frame: _Frame) -> str:
        kind = str(frame.get("type"))
        if kind not in {"ok", "error"}:
            return f"push{kind.capitalize()}"
        asked = self._asked.get(frame.get("id", 0))
        if not asked:
            return ""
        name, was_right = asked.pop(0)
        if kind == "ok" and not was_right:
            _FAULTS.append(f"a gateway did what no {name} of the document asks: {frame}")
        return f"{name}{kind.capitalize()}"


def _object(payload: str | bytes) -> _Frame:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@cache
def _requests() -> frozenset[str]:
    return frozenset(exchange.name for exchange in exchanges.ALL)


def _fault(name: str, frame: Mapping[str, Any]) -> str:
    """What is wrong with a message of that name; empty if nothing is."""
    validator = _validators().get(name)
    if validator is None:
        return "there is no such message"
    return "" if validator.is_valid(frame) else "; ".join(error.message for error in validator.iter_errors(frame))


@cache
def _validators() -> dict[str, jsonschema_rs.Draft7Validator]:
    """One for each message. A gateway of this version says nothing that this version does not know."""
    components = document()["components"]
    closed = {
        name: {"additionalProperties": False, **schema} if "properties" in schema else schema
        for name, schema in components["schemas"].items()
    }
    known = {"components": {"schemas": closed}}
    messages = components["messages"].items()
    return {name: jsonschema_rs.Draft7Validator({**message["payload"], **known}) for name, message in messages}


# -- the websockets library


class _Watched(ClientConnection):
    """A client's connection; if it is one of v1 to a gateway, its frames are held to the document."""

    @cached_property
    def _conversation(self) -> Conversation | None:
        # Tests have gateways of their own making, on the library's server, which says so; those may say anything.
        is_gateway = self.response is not None and "Server" not in self.response.headers
        return Conversation() if is_gateway and self.subprotocol == exchanges.SUBPROTOCOL else None

    async def recv(self, decode: bool | None = None) -> Any:
        frame = await super().recv(decode)
        if self._conversation:
            self._conversation.told(frame)
        return frame

    async def send(self, message: Any, *, text: bool | None = None) -> None:
        if self._conversation:
            self._conversation.asked(message)
        await super().send(message, text=text)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        protocol = self.protocol
        if self._conversation and protocol.close_rcvd and protocol.close_rcvd_then_sent:
            self._conversation.closed(protocol.close_rcvd.code)


@contextmanager
def watched() -> Iterator[None]:
    """Watch every client of the library as long as the block."""
    usual = websockets_client.ClientConnection
    websockets_client.ClientConnection = _Watched  # type: ignore[misc]
    try:
        yield
    finally:
        websockets_client.ClientConnection = usual  # type: ignore[misc]
