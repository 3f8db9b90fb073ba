from chatcluster.frames.exchanges import SUBPROTOCOL
from support.gateway import Rig, TcpClient, WebsocketClient


def test_every_connection_of_a_protocol_shares_its_codec() -> None:
    """Rooms encode once for each codec, however many connections there are."""
    rig = Rig()
    old = [WebsocketClient(rig.host, rig.websocket).connection for _ in range(2)]
    new = [WebsocketClient(rig.host, rig.websocket, subprotocol=SUBPROTOCOL).connection for _ in range(2)]
    tcp = [TcpClient(rig.host, rig.tcp).connection for _ in range(2)]

    assert [len({connection.codec for connection in some}) for some in (old, new, tcp)] == [1, 1, 1]
    assert [some[0].codec.protocol for some in (old, new, tcp)] == ["gochat_websocket", "v1_websocket", "gochat_tcp"]


async def test_a_tcp_client_s_first_frame_decides() -> None:
    """Later ones change nothing."""
    rig = Rig()
    old, new = TcpClient(rig.host, rig.tcp), TcpClient(rig.host, rig.tcp)
    old.send(op=2, authToken="t", roomId=1)
    old.send(type="ping", id=1, authToken="t", roomId=1)
    new.send(type="ping", id=1)

    assert old.connection.codec.protocol == "gochat_tcp"
    assert new.connection.codec.protocol == "v1_tcp"
    assert new.bodies()[0]["code"] == "session"
