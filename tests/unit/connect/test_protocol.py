import json

import pytest
from hypothesis import given, strategies as st

from chatcluster.connect import protocol
from chatcluster.connect.protocol import Join, Malformed, ProtocolError, Send
from chatcluster.core.ids import RoomName
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect

ROOM = RoomName("room:1")
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers())
NAMES = st.sampled_from(["authToken", "AUTHTOKEN", "roomId", "roomid", "op", "msg", "Msg", "serverId"])
OBJECTS = st.dictionaries(NAMES, VALUES).map(lambda fields: json.dumps(fields).encode())
ANYTHING = st.binary(max_size=200) | OBJECTS | st.text(max_size=50).map(str.encode)


@given(ANYTHING)
def test_any_bytes_raise_nothing_but_protocol_errors(payload: bytes) -> None:
    """Whatever a client sends is a command, nothing, or a ProtocolError."""
    for read in (protocol.read_websocket, protocol.read_tcp):
        try:
            command = read(payload)
        except ProtocolError:
            continue
        assert command is None or command.token.encode()


@given(st.text(min_size=1), st.integers(1, 2**31 - 1), st.text())
def test_commands_come_back(token: str, number: int, text: str) -> None:
    """What a client wrote as JSON is what is read, in both protocols."""
    fields = {"authToken": token, "roomId": number, "msg": text}
    payload = json.dumps(fields).encode()
    room = RoomName(f"room:{number}")

    assert protocol.read_websocket(payload) == Join(token, room)
    assert protocol.read_tcp(json.dumps({**fields, "op": 6}, ensure_ascii=False).encode()) == Join(token, room)
    assert protocol.read_tcp(json.dumps({**fields, "op": 3}).encode()) == Send(token, room, text)


@pytest.mark.parametrize(
    ("payload", "join"),
    [
        (b'{"authToken":"t","roomId":1}', Join("t", ROOM)),
        (b'{"AUTHTOKEN":"t","ROOMID":1,"serverId":7}', Join("t", ROOM)),
        (b' {"authToken":"t"} ', Join("t", None)),
        (b'{"authToken":"t","roomId":0}', Join("t", None)),
        (b'{"authToken":"t","roomId":-1}', Join("t", None)),
        (b'{"authToken":"t","roomId":"1"}', Join("t", None)),
        (b'{"authToken":"t","roomId":1.5}', Join("t", None)),
        (b'{"authToken":"t","roomId":true}', Join("t", None)),
        (b'{"authToken":"t","roomId":99999999999999999999999}', Join("t", None)),
        (b'{"authToken":"t","roomId":null}', Join("t", None)),
        (b'{"authToken":"\\ud800","roomId":1}', Join("\ufffd", ROOM)),
    ],
)
def test_websocket_reads_as_go_does(payload: bytes, join: Join) -> None:
    """Names in any case, other fields ignored, a room of the wrong type is no room, lone surrogates become U+FFFD."""
    assert protocol.read_websocket(payload) == join


@pytest.mark.parametrize(
    ("payload", "disconnect"),
    [
        (b'{"roomId":1}', disconnects.BAD_SESSION),
        (b'{"authToken":"","roomId":1}', disconnects.BAD_SESSION),
        (b'{"authToken":5,"roomId":1}', disconnects.BAD_SESSION),
        (b'{"authToken":null}', disconnects.BAD_SESSION),
        (b'{"authToken":"t","roomId":2147483648}', disconnects.BAD_ROOM),
        (b'{"authToken":"t"', disconnects.BAD_FRAME),
        (b'{"authToken":"t"} x', disconnects.BAD_FRAME),
        (b'{"authToken":"t","roomId":NaN}', disconnects.BAD_FRAME),
        (b"[" * 4000, disconnects.BAD_FRAME),
        (b"[1]", disconnects.BAD_FRAME),
        (b"null", disconnects.BAD_FRAME),
        (b"", disconnects.BAD_FRAME),
        (b'{"authToken":"a\x01b"}', disconnects.BAD_FRAME),
        (b'{"authToken":"\xff"}', disconnects.NOT_UTF8),
    ],
)
def test_websocket_errors_have_their_causes(payload: bytes, disconnect: Disconnect) -> None:
    """What is wrong with a frame decides how its connection ends."""
    with pytest.raises(ProtocolError) as caught:
        protocol.read_websocket(payload)

    assert caught.value.disconnect is disconnect


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"authToken":5}',
        b'{"authToken":"t","roomId":"1"}',
        b'{"authToken":"t","roomId":1,"op":"6"}',
        b'{"authToken":"t","roomId":1,"op":3,"msg":5}',
        b'{"authToken":"t","roomId":true}',
    ],
)
def test_tcp_payload_that_go_would_not_decode_is_malformed(payload: bytes) -> None:
    """gochat tolerates two of these, so they are told from other errors."""
    with pytest.raises(Malformed):
        protocol.read_tcp(payload)


@pytest.mark.parametrize(
    ("payload", "disconnect"),
    [
        (b'{"roomId":1,"op":6}', disconnects.BAD_SESSION),
        (b'{"authToken":"","roomId":1,"op":6}', disconnects.BAD_SESSION),
        (b'{"authToken":"t","op":6}', disconnects.BAD_ROOM),
        (b'{"authToken":"t","roomId":0,"op":3}', disconnects.BAD_ROOM),
        (b'{"authToken":"t","roomId":-1,"op":2}', disconnects.BAD_ROOM),
        (b'{"authToken":"t","roomId":2147483648,"op":6}', disconnects.BAD_ROOM),
    ],
)
def test_tcp_frame_needs_a_token_and_a_room(payload: bytes, disconnect: Disconnect) -> None:
    """Every frame, whatever its op; as in gochat, which disconnects."""
    with pytest.raises(ProtocolError) as caught:
        protocol.read_tcp(payload)

    assert caught.value.disconnect is disconnect


@pytest.mark.parametrize("op", [0, 1, 2, 4, 5, 7, -3])
def test_other_ops_mean_nothing(op: int) -> None:
    """gochat's server ignores them."""
    assert protocol.read_tcp(json.dumps({"authToken": "t", "roomId": 1, "op": op}).encode()) is None
