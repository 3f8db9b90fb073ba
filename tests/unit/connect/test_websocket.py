from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from chatcluster.connect import websocket
from chatcluster.connect.websocket import WebsocketConnection
from chatcluster.core.proxies import Proxies
from chatcluster.core.rates import Rate
from chatcluster.frames import disconnects
from support.eventually import eventually
from support.gateway import MemoryTransport, Rig, WebsocketClient, limits


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The parts of a gateway, running."""
    async with Rig().running() as rig:
        yield rig


async def member(rig: Rig) -> WebsocketClient:
    """A websocket client in room 1."""
    client = await rig.member("websocket", await rig.token("ann"), 1)
    assert isinstance(client, WebsocketClient)
    return client


def refused(client: WebsocketClient) -> InvalidStatus:
    """How a handshake was refused."""
    assert isinstance(client.protocol.handshake_exc, InvalidStatus)
    return client.protocol.handshake_exc


def raw(rig: Rig, *chunks: bytes) -> MemoryTransport:
    """A connection that was sent these bytes."""
    connection = WebsocketConnection(rig.host, rig.websocket)
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    for chunk in chunks:
        connection.data_received(chunk)
    return transport


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_text_frame_is_rfc_6455s(size: int) -> None:
    """A frame made by hand is what the library makes."""
    payload = bytes(size)

    assert websocket.text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@pytest.mark.parametrize("path", ["/", "/wss", "/ws/", "/ws/x"])
async def test_websockets_are_at_one_path(rig: Rig, path: str) -> None:
    """Any other is not found."""
    client = WebsocketClient(rig.host, rig.websocket, path)

    assert refused(client).response.status_code == 404
    assert client.transport.ended


async def test_query_does_not_matter(rig: Rig) -> None:
    """A client may add one."""
    client = WebsocketClient(rig.host, rig.websocket, "/ws?x=1")
    client.join(await rig.token("ann"), 1)
    await eventually(lambda: client.connection.session)


@pytest.mark.parametrize(
    ("origins", "header", "accepted"),
    [
        ((), {"Origin": "https://evil.example"}, True),
        (("https://a.example",), {"Origin": "https://a.example"}, True),
        (("https://a.example",), {}, True),
        (("https://a.example",), {"Origin": "https://a.example.evil.example"}, False),
        (("https://a.example",), {"Origin": "null"}, False),
        (("https://a.example",), {"Origin": "HTTPS://A.EXAMPLE"}, False),
    ],
)
async def test_origins(rig: Rig, origins: tuple[str, ...], header: dict[str, str], accepted: bool) -> None:
    """An empty list takes any; otherwise a browser's must be in it exactly, and a client without one is no browser."""
    client = WebsocketClient(replace(rig.host, origins=origins), rig.websocket, **header)

    assert (client.protocol.handshake_exc is None) is accepted
    if not accepted:
        assert refused(client).response.status_code == 403


async def test_storm_is_refused_in_http() -> None:
    """Above the rate the handshake is answered 503 with a time to wait."""
    async with Rig(limits=limits(connecting=Rate(1, 1))).running() as rig:
        first = WebsocketClient(rig.host, rig.websocket)
        second = WebsocketClient(rig.host, rig.websocket)

        assert first.protocol.handshake_exc is None
        assert refused(second).response.status_code == 503
        assert refused(second).response.headers["Retry-After"] == "1"


async def test_address_is_the_clients_behind_a_trusted_proxy() -> None:
    """X-Forwarded-For is believed from proxies that are configured, and from nobody else."""
    async with Rig(limits=limits(per_address=1)).running() as rig:
        strangers = [WebsocketClient(rig.host, rig.websocket, X_Forwarded_For=f"198.51.100.{n}") for n in range(2)]
        behind = replace(rig.host, proxies=Proxies.from_env({"CHATCLUSTER_P": "203.0.113.7/32"}, "P"))
        known = [WebsocketClient(behind, rig.websocket, X_Forwarded_For=f"198.51.100.{n}") for n in (5, 6, 5)]

        assert [client.protocol.handshake_exc is None for client in strangers] == [True, False]
        assert [client.protocol.handshake_exc is None for client in known] == [True, True, False]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /ws HTTP/1.1\r\nbroken\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST /ws HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 426 "),
        (b"GET /ws HTTP/1.1\r\nX: " + b"x" * 20_000, b"HTTP/1.1 431 "),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"HTTP/1.1 414 "),
    ],
)
async def test_what_is_no_handshake_is_answered_in_http(rig: Rig, head: bytes, status: bytes) -> None:
    """Once, whatever follows it; and the connection is done."""
    transport = raw(rig, head, b"more", head)

    assert bytes(transport.written).startswith(status)
    assert bytes(transport.written).count(b"HTTP/1.1") == 1
    assert transport.ended


async def test_handshake_comes_in_any_pieces(rig: Rig) -> None:
    """Byte by byte, and with the first frame right behind it."""
    await rig.token("ann")
    client = WebsocketClient(rig.host, rig.websocket)
    head = bytes(client.protocol.reader.buffer)
    whole = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ) + Frame(Opcode.TEXT, b'{"authToken":"ann","roomId":1}').serialize(mask=True)
    connection = WebsocketConnection(rig.host, rig.websocket)
    transport = MemoryTransport(connection)
    connection.connection_made(transport)
    for byte in whole:
        connection.data_received(bytes([byte]))
    await eventually(lambda: connection.room)

    assert head == b""
    assert bytes(transport.written).startswith(b"HTTP/1.1 101 ")


async def test_handshake_has_a_deadline(rig: Rig) -> None:
    """A peer that does not finish it is dropped."""
    transport = raw(rig, b"GET /ws HTTP/1.1\r\n")
    rig.pass_time(3)
    before = transport.lost
    rig.pass_time(4)

    assert not before
    assert transport.lost


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"{", disconnects.BAD_FRAME.code),
        (b'{"authToken":"ann","roomId":2147483648}', disconnects.BAD_ROOM.code),
        (b'{"authToken":"\xff"}', disconnects.NOT_UTF8.code),
        (b'"' + b"x" * 5000 + b'"', disconnects.TOO_BIG.code),
        (b'{"roomId":1}', 1006),
    ],
)
async def test_wrong_message_closes_with_its_cause(rig: Rig, payload: bytes, code: int) -> None:
    """The code tells what was wrong; a missing token is closed without a word, as in gochat."""
    client = await member(rig)
    client.send_payload(payload)

    assert client.code == code


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an opcode that is not defined
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # a reserved bit
        (b"\x81\x05hello", 1002),  # not masked
        (b"\x80\x80\x00\x00\x00\x00", 1002),  # a continuation of nothing
        (b"\x09\x80\x00\x00\x00\x00", 1002),  # a ping in pieces
        (b"\x88\x81\x00\x00\x00\x00\x01", 1002),  # a close frame of one byte
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1009),  # a length beyond all bounds
    ],
)
async def test_wrong_frame_closes_as_rfc_6455_says(rig: Rig, frame: bytes, code: int) -> None:
    """Violations of the protocol end the connection, and only that."""
    client = await member(rig)
    neighbour = await rig.member("websocket", await rig.token("bob"), 1)
    client.connection.data_received(frame)
    rig.deliver(1, "hello")

    assert client.code == code
    assert [body["msg"] for body in neighbour.shown(op=3)] == ["hello"]


async def test_message_in_pieces_is_one_message(rig: Rig) -> None:
    """Fragments are put together, with a ping between them; text or binary makes no difference."""
    client = await member(rig)
    for opcode, data, fin in [
        (Opcode.BINARY, b'{"authToken":', False),
        (Opcode.PING, b"?", True),
        (Opcode.CONT, b'"ann",', False),
        (Opcode.CONT, b'"roomId":2}', True),
    ]:
        client.connection.data_received(Frame(opcode, data, fin).serialize(mask=True))

    assert client.connection.room == "room:2"


async def test_pings_are_answered_up_to_a_rate(rig: Rig) -> None:
    """A flood in one read is cut off before it has all been answered."""
    client = await member(rig)
    client.connection.data_received(Frame(Opcode.PING, b"").serialize(mask=True) * 100_000)

    assert client.code == disconnects.TOO_FAST.code
    assert len(client.transport.written) < 10_000


async def test_empty_fragments_count(rig: Rig) -> None:
    """A message without an end costs the client its connection."""
    client = await member(rig)
    pieces = Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)
    pieces += Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 100
    client.connection.data_received(pieces)

    assert client.code == disconnects.TOO_FAST.code


async def test_silent_peer_is_dropped_after_a_ping(rig: Rig) -> None:
    """Nothing for the ping interval and its timeout means that nobody is there."""
    client = await member(rig)
    client.answers_pings = False
    rig.pass_time(55)
    rig.pass_time(3)
    before = client.transport.lost
    rig.pass_time(5)

    assert not before
    assert client.transport.lost


async def test_peer_that_answers_pings_stays(rig: Rig) -> None:
    """For as long as it likes, one ping in each interval."""
    client = await member(rig)
    for _ in range(150):
        rig.pass_time(2)
        client.bodies()

    assert client.pings() == 5
    assert client.code is None


async def test_clients_own_close_is_answered(rig: Rig) -> None:
    """The closing handshake is completed, and the rooms are left at once."""
    client = await member(rig)
    client.protocol.send_close(1000, "bye")
    client.bodies()

    assert client.code == 1000
    assert rig.hub.rooms == {}
    assert client.transport.ended


async def test_close_frame_is_followed_by_nothing(rig: Rig) -> None:
    """What a client sends after it was told to go does not count."""
    client = await member(rig)
    client.connection.close(disconnects.RESTART)
    client.connection.data_received(Frame(Opcode.TEXT, b'{"authToken":"ann","roomId":2}').serialize(mask=True))

    assert client.code == disconnects.RESTART.code
    assert client.connection.room is None
