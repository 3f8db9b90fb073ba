"""gochat's TCP frames: "v1", a length, a payload.

Owns where a frame begins and ends. Does not own what a payload means (protocol). Pure and bounded: what is kept between
two calls is at most one unfinished frame.

Bytes 0-1 are "v1", bytes 2-3 a signed big-endian 16-bit length that counts these four bytes too; the rest is JSON.
gochat itself looks at byte 0 only, and is killed by a length below 4; here both are an error of the peer's.
"""

import struct
from collections.abc import Iterator

from chatcluster.connect import protocol
from chatcluster.frames import disconnects

HEADER_BYTES = 4
MAX_BYTES = 2**15 - 1
"""Of a frame, header included: what a signed 16-bit length can say."""
MAX_PAYLOAD_BYTES = MAX_BYTES - HEADER_BYTES

_HEADER = struct.Struct(">2sh")
_VERSION = b"v1"


def frame(payload: bytes) -> bytes:
    """A frame. Raises ValueError for a payload over `MAX_PAYLOAD_BYTES`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a payload of {len(payload)} bytes; a frame holds {MAX_PAYLOAD_BYTES}")
    return _HEADER.pack(_VERSION, HEADER_BYTES + len(payload)) + payload


class Frames:
    """Cuts a stream of bytes into payloads, however it arrives."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are complete now, one by one; to be read to the end before the next call.

        Raises `ProtocolError` at a header that is none, after all payloads that came before it; then the stream is
        lost.
        """
        data = self._pending + data
        start = 0
        while (end := _end(data, start)) <= len(data):
            yield data[start + HEADER_BYTES : end]
            start = end
        self._pending = data[start:]


def _end(data: bytes, start: int) -> int:
    """Where the frame that begins at `start` ends; beyond the data when its header is not complete."""
    head = data[start : start + HEADER_BYTES]
    if not _VERSION.startswith(head[:2]):
        raise protocol.ProtocolError(disconnects.BAD_FRAME, "a frame begins with v1")
    if len(head) < HEADER_BYTES:
        return start + HEADER_BYTES
    length: int = _HEADER.unpack(head)[1]
    if length < HEADER_BYTES:
        raise protocol.ProtocolError(disconnects.BAD_FRAME, f"a frame of {length} bytes")
    return start + length
