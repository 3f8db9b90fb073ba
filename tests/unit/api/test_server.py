import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatcluster.api import server
from chatcluster.api.server import Bounds, Protocol
from support.eventually import eventually

QUICK = Bounds(head_timeout=0.05, idle_timeout=0.05, write_timeout=0.05, head_bytes=1_000, head_count=10)
PATIENT = Bounds(head_bytes=1_000, head_count=10)
GET = b"GET / HTTP/1.1\r\nHost: api\r\n\r\n"


class Wire(asyncio.Transport):
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closing = False
        self.aborted = False
        self.unsent = 0
        """Bytes that the client has not taken yet."""
        self.protocol: Protocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("203.0.113.7", 4711), "sockname": ("127.0.0.1", 7070)}.get(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if not self.unsent:
                self._lose()

    def abort(self) -> None:
        self.closing = self.aborted = True
        self._lose()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def _lose(self) -> None:
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            asyncio.get_running_loop().call_soon(protocol.connection_lost, None)


class Api:
    """An app that answers when it may, and the connections to it."""

    def __init__(self, bounds: Bounds) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.reads_bodies = True
        self.bodies: list[bytes] = []
        self.begun = self.ended = self.given_up = 0
        self._server = server.Server(self._app, bounds, drain=1)
        self._server.config.load()

    def connect(self) -> tuple[Protocol, Wire]:
        """A new connection."""
        config, state = self._server.config, self._server.server_state
        protocol: Any = config.http_protocol_class(config=config, server_state=state, app_state={})  # type: ignore[call-arg]
        wire = Wire()
        wire.protocol = protocol
        protocol.connection_made(wire)
        return protocol, wire

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        try:
            await self._answer(scope, receive, send)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.ended += 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.may_answer.wait()
        if self.reads_bodies:
            self.bodies.append(await Request(scope, receive).body())
        await Response("fine")(scope, receive, send)


def rejected(reason: str) -> float:
    """How often it was counted."""
    return REGISTRY.get_sample_value("chat_rejected_total", {"reason": reason}) or 0.0


async def test_requests_are_answered_one_after_the_other() -> None:
    """On one connection, also when they were sent ahead of the answers."""
    protocol, wire = Api(PATIENT).connect()
    protocol.data_received(GET * 3)
    await eventually(lambda: wire.sent.count(b"fine") == 3)
    protocol.data_received(GET)
    await eventually(lambda: wire.sent.count(b"fine") == 4)
    assert not wire.closing


async def test_a_read_whose_client_has_gone_is_given_up() -> None:
    """Nobody waits for it; the next connection is served as ever."""
    api = Api(PATIENT)
    api.may_answer.clear()
    protocol, wire = api.connect()
    protocol.data_received(GET)
    await eventually(lambda: api.begun == 1)
    wire.abort()
    await eventually(lambda: api.given_up == 1)
    api.may_answer.set()

    protocol, wire = api.connect()
    protocol.data_received(GET)
    await eventually(lambda: b"fine" in wire.sent)


async def test_a_read_whose_client_has_gone_is_not_begun() -> None:
    """It came and went before anything was done about it."""
    api = Api(PATIENT)
    protocol, wire = api.connect()
    protocol.data_received(GET)
    protocol.connection_lost(None)
    protocol, wire = api.connect()
    protocol.data_received(GET)
    await eventually(lambda: b"fine" in wire.sent)

    assert api.begun == 1


async def test_a_write_is_carried_out_though_its_client_has_gone() -> None:
    """Who says something and leaves has said it."""
    api = Api(PATIENT)
    api.may_answer.clear()
    protocol, wire = api.connect()
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\n\r\nhi")
    await eventually(lambda: api.begun == 1)
    wire.abort()
    await asyncio.sleep(0)
    api.may_answer.set()

    await eventually(lambda: api.ended == 1)
    assert api.given_up == 0


async def test_a_head_that_does_not_end_is_cut_off() -> None:
    """However many bytes of it trickle in, and it is counted."""
    before = rejected("slow_head")
    protocol, wire = Api(QUICK).connect()
    protocol.data_received(b"GET / HTTP/1.1\r\n")

    def drip() -> bool:
        protocol.data_received(b"a: b\r\n")
        return wire.closing

    await eventually(drip, every=0.01)
    assert wire.sent.startswith(b"HTTP/1.1 408 ")
    assert rejected("slow_head") == before + 1


@pytest.mark.parametrize("noise", [b"", b"\r\n"])
async def test_who_says_nothing_is_closed_without_a_word(noise: bytes) -> None:
    """Browsers connect ahead; empty lines are nothing, too."""
    protocol, wire = Api(QUICK).connect()

    def drip() -> bool:
        protocol.data_received(noise)
        return wire.closing

    await eventually(drip, every=0.01)
    assert wire.sent == b""


async def test_empty_lines_between_requests_do_not_keep_a_connection() -> None:
    """They would defeat the bound on a pause between two requests."""
    protocol, wire = Api(QUICK).connect()
    protocol.data_received(GET)
    await eventually(lambda: b"fine" in wire.sent)

    def drip() -> bool:
        protocol.data_received(b"\r\n")
        return wire.closing

    await eventually(drip, every=0.01)
    assert wire.sent.endswith(b"fine")


async def test_a_pause_between_requests_is_bounded() -> None:
    """Then the connection is closed."""
    protocol, wire = Api(QUICK).connect()
    protocol.data_received(GET)
    await eventually(lambda: wire.closing)
    assert wire.sent.endswith(b"fine")


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET /" + b"x" * 1_001 + b" HTTP/1.1\r\n\r\n"],
        [b"GET / HTTP/1.1\r\na: " + b"x" * 1_001 + b"\r\n\r\n"],
        [b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 11 + b"\r\n"],
        [b"GET / HTTP/1.1\r\na: x", b"x" * 600, b"x" * 600],  # a header that never ends is the parser's own
    ],
)
async def test_a_head_that_is_too_large_is_431(parts: list[bytes]) -> None:
    """By its bytes and by the number of its headers, and not only when it is complete."""
    before = rejected("big_head")
    protocol, wire = Api(PATIENT).connect()
    for part in parts:
        protocol.data_received(part)
    assert wire.sent.startswith(b"HTTP/1.1 431 ")
    assert wire.closing
    assert rejected("big_head") == before + 1


async def test_a_head_in_many_parts_is_counted_once() -> None:
    """A head below the bound passes, however it is cut."""
    protocol, wire = Api(PATIENT).connect()
    head = b"GET / HTTP/1.1\r\n" + b"a: " + b"x" * 400 + b"\r\nb: " + b"x" * 400 + b"\r\n\r\n"
    for start in range(0, len(head), 50):
        protocol.data_received(head[start : start + 50])
    await eventually(lambda: wire.sent.endswith(b"fine"))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_400(request_bytes: bytes) -> None:
    """And ends the connection: nobody knows where the next request would begin."""
    before = rejected("malformed_http")
    protocol, wire = Api(PATIENT).connect()
    protocol.data_received(request_bytes)
    assert wire.sent.startswith(b"HTTP/1.1 400 ")
    assert wire.closing
    assert rejected("malformed_http") == before + 1


async def test_rubbish_after_a_request_does_not_cost_its_answer() -> None:
    """The answer goes out, then the connection is closed."""
    api = Api(PATIENT)
    api.may_answer.clear()
    protocol, wire = api.connect()
    protocol.data_received(GET + b"\x00rubbish\r\n\r\n")
    protocol.data_received(b"more rubbish")
    assert wire.sent == b""
    api.may_answer.set()
    await eventually(lambda: wire.closing)
    assert wire.sent.count(b"HTTP/1.1") == 1
    assert wire.sent.endswith(b"fine")


async def test_requests_ahead_of_the_answers_are_bounded() -> None:
    """Those within the bound are answered; then the connection is closed."""
    api = Api(PATIENT)
    api.may_answer.clear()
    protocol, wire = api.connect()
    protocol.data_received(GET * 1000)
    api.may_answer.set()
    await eventually(lambda: wire.closing)
    assert wire.sent.count(b"fine") == server.MAX_WAITING + 1


async def test_an_answer_that_nobody_reads_is_given_up() -> None:
    """It would hold its memory for ever."""
    protocol, wire = Api(QUICK).connect()
    protocol.pause_writing()
    protocol.data_received(GET)
    await eventually(lambda: wire.aborted)
    assert wire.sent == b""


async def test_a_slow_reader_that_reads_on_is_not_given_up() -> None:
    """The time starts anew with each pause."""
    protocol, wire = Api(Bounds(write_timeout=0.05)).connect()
    protocol.pause_writing()
    protocol.resume_writing()
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    protocol.data_received(GET)
    await eventually(lambda: wire.sent.endswith(b"fine"))
    assert not wire.aborted


@pytest.mark.parametrize("head", [GET, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"])
async def test_the_last_answer_has_to_be_read_too(head: bytes) -> None:
    """A connection that only waits to send it is not waited for."""
    protocol, wire = Api(QUICK).connect()
    wire.unsent = 10
    protocol.data_received(head)
    await eventually(lambda: wire.aborted)


async def test_a_body_that_nobody_wanted_is_read_for_a_while() -> None:
    """So that its sender reads the answer; then it is given up."""
    api = Api(Bounds(linger=0.05))
    api.reads_bodies = False
    protocol, wire = api.connect()
    protocol.data_received(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
    await eventually(lambda: wire.sent.endswith(b"fine"))
    assert not wire.closing
    await eventually(lambda: wire.aborted)


async def test_a_connection_goes_on_after_a_body_that_nobody_wanted() -> None:
    """When all of it has come."""
    api = Api(PATIENT)
    api.reads_bodies = False
    protocol, wire = api.connect()
    protocol.data_received(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n12345")
    await eventually(lambda: wire.sent.endswith(b"fine"))
    protocol.data_received(b"67890" + GET)
    await eventually(lambda: wire.sent.count(b"fine") == 2)
    assert not wire.closing


async def test_one_connection_too_many_is_told_to_come_back() -> None:
    """Until another one has gone."""
    api = Api(Bounds(connections=2))
    first, second = api.connect()[1], api.connect()[1]
    third = api.connect()[1]
    assert third.sent.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in third.sent
    assert third.closing
    first.close()
    await eventually(lambda: not first.protocol)
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    fourth = api.connect()[1]
    assert not fourth.closing
    assert not second.closing


async def test_an_upgrade_that_is_not_known_is_a_plain_request() -> None:
    """Clients offer HTTP/2 in this way; they are answered in HTTP/1.1 and go on so."""
    protocol, wire = Api(PATIENT).connect()
    for _ in range(2):
        protocol.data_received(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    await eventually(lambda: wire.sent.count(b"fine") == 2)


def test_a_port_that_is_taken_is_an_error() -> None:
    """Two servers that share a port would split the requests."""
    with server.listen("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        server.listen("127.0.0.1", first.getsockname()[1])
