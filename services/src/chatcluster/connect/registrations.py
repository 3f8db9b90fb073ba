"""What a hub asks of logic: to be registered for rooms, and to be taken off them.

Owns the form of both calls, so that whoever makes them (registrar) and whoever decides on them (hub) mean the same.
"""

from dataclasses import dataclass

from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.v1 import logic_pb2


@dataclass(frozen=True, slots=True)
class Registration:
    """Rooms to register, each to be read on from where its listeners stand."""

    incarnation: Incarnation
    number: int
    reads: tuple[logic_pb2.RoomRead, ...]
    reasons: tuple[str, ...]
    """Why, for metrics: join, unsound, gap or check."""

    def request(self) -> logic_pb2.RegisterRoomsRequest:
        """The call's argument."""
        return logic_pb2.RegisterRoomsRequest(incarnation=self.incarnation, number=self.number, rooms=self.reads)


@dataclass(frozen=True, slots=True)
class Unregistration:
    """Rooms that have no listeners here any more."""

    incarnation: Incarnation
    number: int
    rooms: tuple[RoomName, ...]
    tries: int

    def request(self) -> logic_pb2.UnregisterRoomsRequest:
        """The call's argument."""
        return logic_pb2.UnregisterRoomsRequest(incarnation=self.incarnation, number=self.number, rooms=self.rooms)
