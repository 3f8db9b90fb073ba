"""Words for tests that publish and read."""

from collections.abc import Sequence

from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardId, UserId
from chatcluster.log import log
from chatcluster.v1 import logic_pb2, types_pb2 as pb
from support.stores import SHARDS

ROOM = ids.room(7)
ANN, BOB = UserId(1), UserId(2)
PLENTY = log.Limits(room_rate=1_000_000, room_burst=1_000_000)
GATEWAY = Incarnation("gateway-0/a")


def draft(room: RoomName, message_id: str, sender: UserId = ANN, text: str | None = None) -> log.Draft:
    """A message whose body shows its id."""
    text = message_id if text is None else text
    return log.Draft(room, sender, message_id, f"body of {text}".encode(), text.encode()[:8].ljust(8, b"."))


async def post(found: log.Log, room: RoomName, *message_ids: str) -> list[pb.Position]:
    """Publish messages one after the other."""
    return [(await found.publish(draft(room, message_id))).position for message_id in message_ids]


async def read(
    found: log.Log, room: RoomName, since: pb.Position | None = None, limit: int = 100
) -> logic_pb2.RoomHistory:
    """One room's history."""
    return (await found.history([log.Read(room, since, limit)]))[0]


def bodies(history: logic_pb2.RoomHistory) -> list[str]:
    """The ids of the messages in an answer."""
    return [publication.body.decode().removeprefix("body of ") for publication in history.publications]


def at(epoch: str, offset: int) -> pb.Position:
    """A position."""
    return pb.Position(epoch=epoch, offset=offset)


def other_rooms(shard: int, count: int) -> list[RoomName]:
    """Rooms of one shard."""
    rooms = (ids.room(number) for number in range(100, 10_000))
    return [room for room in rooms if ids.shard_of(room, SHARDS) == shard][:count]


async def waiting(found: log.Log, room: RoomName) -> Sequence[log.Entry]:
    """Everything in the dispatch stream of a room's shard."""
    return await found.entries(shard_of(room), ids.ZERO, 1000, 0)


def shard_of(room: RoomName) -> ShardId:
    """The shard of a room in a store."""
    return ids.shard_of(room, SHARDS)
