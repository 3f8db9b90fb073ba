"""Which protocols are spoken over which transport, put together.

Owns the codecs, which all connections of one protocol and transport share, and the bounds of what their frames hold.
"""

from datetime import tzinfo

from chatcluster.connect import framing, gochat, v1_codec, websocket
from chatcluster.connect.connection import Dialects
from chatcluster.connect.gochat_client import GochatTcpClient, GochatWebsocketClient
from chatcluster.connect.v1_client import Services, V1Client

MAX_WEBSOCKET_BODY = 2**20
"""Bytes of one websocket message to a gochat client: nothing that is shown comes near it."""
WEBSOCKET_PAGE = 128 * 1024
"""Bytes of publications in one answer to a v1 client: half an outbox."""
TCP_PAGE = 24 * 1024
"""The same over TCP: with the rest of the answer, and one publication more, below what a frame holds."""


def over_websocket(services: Services, zone: tzinfo) -> Dialects:
    """What websocket clients speak; `zone`: in which gochat's are told the time."""
    gochats = gochat.Codec("gochat_websocket", websocket.text_frame, MAX_WEBSOCKET_BODY, zone)
    own = v1_codec.Codec("v1_websocket", websocket.text_frame, WEBSOCKET_PAGE)
    return Dialects(
        gochat=lambda connection: GochatWebsocketClient(connection, gochats, services.sends),
        v1=lambda connection: V1Client(connection, own, services),
    )


def over_tcp(services: Services, zone: tzinfo) -> Dialects:
    """What TCP clients speak; the same."""
    gochats = gochat.Codec("gochat_tcp", framing.frame, framing.MAX_PAYLOAD_BYTES, zone)
    own = v1_codec.Codec("v1_tcp", framing.frame, TCP_PAGE)
    return Dialects(
        gochat=lambda connection: GochatTcpClient(connection, gochats, services.sends),
        v1=lambda connection: V1Client(connection, own, services),
    )
