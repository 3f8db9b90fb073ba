"""How publications and presence look to gochat's clients.

Owns gochat's JSON to the byte: key order, Go's escaping, which fields are left out when they are zero. Does not own
what is shown to whom: a codec's bytes are the same for every connection in a room. Pure but for the cache of one
second's time stamp.

Not shown, because gochat's protocol has no word for it: gaps and resets (a connection is served on), and in an inbox
the copies of what its own user wrote.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo

from chatcluster.connect import framing
from chatcluster.connect.room import Item
from chatcluster.core import gojson, ids
from chatcluster.frames import pushes
from chatcluster.v1 import logic_pb2, types_pb2 as pb

OP_SINGLE = 2
OP_ROOM = 3
OP_COUNT = 4
OP_ROOM_INFO = 5

HEARTBEAT = framing.frame(pushes.HEARTBEAT.encode())
"""What gochat's TCP server sends every 54 s."""

_FAIL = 1
"""gochat's own code for what did not work."""


class Codec:
    """gochat's bodies in the frames of one transport."""

    def __init__(self, protocol: str, frame: Callable[[bytes], bytes], limit: int, zone: tzinfo) -> None:
        """`limit`: bytes of a body that a frame can hold; `zone`: in which createTime is told."""
        self.protocol = protocol
        self._frame = frame
        self._limit = limit
        self._zone = zone
        self._second = 0
        self._stamp = self._format(0)

    def encode(self, item: Item) -> bytes:
        """The frame that shows an item; empty when gochat does not show such an item.

        Raises `google.protobuf.message.DecodeError` for a body that is no Message.
        """
        body = next((body for body in self._bodies(item) if len(body) <= self._limit), b"")
        return self._frame(body) if body else b""

    def refuse(self, text: str, user: logic_pb2.User) -> bytes:
        """The frame that tells one user what did not work.

        gochat has no error frames. This one is a private message from nobody with gochat's code for failure: a client
        that looks at `code` knows, one that does not shows the text to its user, and nobody else sees it.
        """
        message = pb.Message(text=text, to_user_id=user.id, to_user_name=user.name)
        return self._frame(_message(message, OP_SINGLE, 0, "", code=_FAIL))

    def _bodies(self, item: Item) -> Iterator[bytes]:
        """The body, then ever shorter forms of it for a frame that cannot hold it."""
        if isinstance(item, pb.Publication):
            yield from self._publication(item)
        elif isinstance(item, pb.Ephemeral) and item.HasField("members"):
            yield from _room_info(item.room, item.members)
        elif isinstance(item, pb.Ephemeral) and item.HasField("count"):
            yield _count(item.count.count)

    def _publication(self, publication: pb.Publication) -> Iterator[bytes]:
        message = pb.Message.FromString(publication.body)
        if not message.to_user_id:
            for text in _shorter(message.text):
                message.text = text
                yield _message(message, OP_ROOM, ids.gochat_room_id(publication.room), self._time(publication.time_ms))
        elif not _is_own_copy(publication.room, message):
            for text in _shorter(message.text):
                message.text = text
                yield _message(message, OP_SINGLE, message.gochat_room_id, "")

    def _time(self, time_ms: int) -> str:
        second = time_ms // 1000
        if second != self._second:
            self._second, self._stamp = second, self._format(second)
        return self._stamp

    def _format(self, second: int) -> str:
        return datetime.fromtimestamp(second, self._zone).strftime("%Y-%m-%d %H:%M:%S")


def _is_own_copy(room: str, message: pb.Message) -> bool:
    return room == ids.inbox(ids.UserId(message.from_user_id)) and message.to_user_id != message.from_user_id


def _message(message: pb.Message, op: int, room: int, time: str, *, code: int = 0) -> bytes:
    return gojson.encode(
        {
            "code": code,
            "msg": message.text,
            "fromUserId": message.from_user_id,
            "fromUserName": message.from_user_name,
            "toUserId": message.to_user_id,
            "toUserName": message.to_user_name,
            "roomId": room,
            "op": op,
            "createTime": time,
        }
    )


def _count(count: int) -> bytes:
    return gojson.encode(_but_zeros({"count": count, "op": OP_COUNT}))


def _room_info(name: str, presence: pb.RoomPresence) -> Iterator[bytes]:
    head = _but_zeros({"op": OP_ROOM_INFO, "roomId": ids.gochat_room_id(name), "count": presence.count})
    members = list(presence.members)
    while True:
        # Go writes the keys of a map in the order of their text: user 10 before user 9.
        users = dict(sorted((str(member.user_id), member.user_name) for member in members))
        yield gojson.encode({**head, "roomUserInfo": users})
        if not members:
            return
        del members[len(members) // 2 :]


def _but_zeros(fields: dict[str, int]) -> dict[str, int]:
    """The fields as Go writes them under `omitempty`."""
    return {name: value for name, value in fields.items() if value}


def _shorter(text: str) -> Iterator[str]:
    yield text
    while text:
        text = text[: len(text) // 2]
        yield text
