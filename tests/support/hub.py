"""A hub without its gateway: connections that remember, a clock that the test moves, logic's answers by hand."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chatcluster.connect.hub import Hub
from chatcluster.connect.registrations import Registration, Unregistration
from chatcluster.connect.room import Gap, Item, Reset, Room
from chatcluster.core import ids
from chatcluster.core.ids import Incarnation, RoomName, ShardEpoch
from chatcluster.v1 import connect_pb2, logic_pb2, types_pb2 as pb

SHARDS = 4
ROOM = RoomName("room:1")
SHARD = ids.shard_of(ROOM, SHARDS)
NEIGHBOUR = next(name for n in range(2, 99) if ids.shard_of(name := ids.room(n), SHARDS) == SHARD)
OLD, EPOCH, NEW = (ShardEpoch(f"000000000000{number}.aaaaaaaa") for number in range(3))
ME = Incarnation("gw/1")


class Codec:
    """Shows an item as a word."""

    def __init__(self, protocol: str = "words") -> None:
        self.protocol = protocol
        self.encoded = 0

    def encode(self, item: Item) -> bytes:
        """A word, nothing for a count, and an error for a body that is `bad`."""
        self.encoded += 1
        match item:
            case pb.Publication():
                if item.body == b"bad":
                    raise ValueError(item.body)
                return b"%d " % item.offset
            case Gap():
                return b"gap:%d-%d " % (item.first, item.last)
            case Reset():
                return b"reset:%d " % item.position.offset
            case _:
                return b"ephemeral " if item.HasField("members") else b""


@dataclass(eq=False)
class Listener:
    """A connection that remembers its writes."""

    codec: Codec
    writes: list[bytes] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    @property
    def words(self) -> list[str]:
        """What it was shown."""
        return b"".join(self.writes).decode().split()


@dataclass
class Count:
    """What the hub counted."""

    writes: list[tuple[str, int, int]] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def served(self, protocol: str, items: Sequence[Item], listeners: int) -> None:
        self.writes.append((protocol, len(items), listeners))

    def missed(self, outcome: str) -> None:
        self.outcomes.append(outcome)

    def failed(self, item: Item, error: Exception) -> None:
        self.failures.append(str(error))


class Rig:
    """A hub, a clock that only the test moves, and logic's answers by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.count = Count()
        self.hub = Hub(shards=SHARDS, incarnation=ME, random=random.Random(1), observer=self.count)
        self.codec = Codec()

    def listener(self, room: RoomName = ROOM) -> Listener:
        """Let a connection enter a room."""
        listener = Listener(self.codec)
        self.hub.enter(room, listener, self.now)
        return listener

    def joined(self, room: RoomName = ROOM, offset: int = 0, last: int = 10) -> Listener:
        """Let a connection enter a room, and answer its join."""
        listener = self.listener(room)
        self.answer(self.registration(), offset, last=last)
        return listener

    def calls(self) -> list[Registration | Unregistration]:
        """What the hub wants now."""
        return self.hub.work(self.now)

    def registration(self) -> Registration:
        """The only call that the hub wants now."""
        [call] = self.calls()
        assert isinstance(call, Registration)
        return call

    def unregistration(self) -> Unregistration:
        """The only call that the hub wants now."""
        [call] = self.calls()
        assert isinstance(call, Unregistration)
        return call

    def answer(
        self,
        call: Registration,
        offset: int,
        *offsets: int,
        last: int = 10,
        epoch: ShardEpoch = EPOCH,
        accepted: bool = True,
        recovered: bool = True,
        after: int = 0,
        error: str = "",
    ) -> list[RoomName]:
        """End a registration: the same position and publications for each of its rooms."""
        answers = [
            logic_pb2.Registration(
                accepted=accepted,
                shard_epoch=epoch,
                stream_id=pb.StreamId(ms=last),
                history=logic_pb2.RoomHistory(
                    room=read.room,
                    position=pb.Position(epoch=f"{epoch}.00", offset=offset),
                    recovered=recovered,
                    publications=[publication(number, read.room, epoch) for number in offsets],
                    after=after,
                    error=error,
                ),
            )
            for read in call.reads
        ]
        return self.hub.registered(call, answers, self.now)

    def deliver(
        self,
        prev: int,
        upto: int,
        *offsets: int,
        epoch: ShardEpoch = EPOCH,
        others: Iterable[pb.Publication] = (),
        ephemerals: Iterable[pb.Ephemeral] = (),
    ) -> int:
        """A batch of the room's shard with these publications of the room."""
        batch = connect_pb2.Batch(
            shard=SHARD,
            epoch=epoch,
            prev=pb.StreamId(ms=prev),
            upto=pb.StreamId(ms=upto),
            publications=[*(publication(offset, epoch=epoch) for offset in offsets), *others],
            ephemerals=ephemerals,
        )
        return self.hub.deliver(batch, self.now)

    def is_sound(self, room: RoomName = ROOM) -> bool:
        """Whether a room trusts dispatch."""
        return self.hub.is_sound(self.room(room))

    def room(self, room: RoomName = ROOM) -> Room:
        """A room of the hub."""
        return self.hub.rooms[room]

    def wait(self) -> float:
        """Let time pass until the hub wants something; how long that was."""
        due = self.hub.next_due()
        assert due is not None
        passed, self.now = max(0.0, due - self.now), max(self.now, due)
        return passed


def publication(offset: int, room: str = ROOM, epoch: ShardEpoch = EPOCH, body: bytes = b"good") -> pb.Publication:
    """A publication of a room in an epoch of its shard."""
    return pb.Publication(room=room, epoch=f"{epoch}.00", offset=offset, body=body)
