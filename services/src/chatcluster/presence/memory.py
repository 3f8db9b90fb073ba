"""Presence in memory: the same steps as the Redis scripts, for unit tests and the simulation.

Owns leases and reports of one process' life. `now` is the clock in seconds; no method ever suspends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.presence import presence, view
from chatcluster.v1 import logic_pb2, types_pb2 as pb


@dataclass(slots=True)
class _Room:
    reports: dict[Incarnation, tuple[logic_pb2.GatewayPresence, float]] = field(default_factory=dict)
    """Each with when it was made. Empty ones stay, so that an older one that comes late finds their number."""
    pushed: str = ""
    pushed_at: float = float("-inf")


class MemoryPresence:
    """The presence port in memory."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._gateways: dict[Incarnation, tuple[str, float]] = {}
        self._tasks: dict[str, float] = {}
        self._rooms: dict[str, _Room] = {}

    async def acquire(self, incarnation: Incarnation, address: str) -> None:
        """See the port."""
        living = self._living()
        self._gateways = {i: lease for i, lease in living.items() if lease[0] != address}
        self._gateways[incarnation] = (address, self._now() + presence.GATEWAY_TTL)

    async def renew(self, incarnation: Incarnation) -> bool:
        """See the port."""
        self._gateways = self._living()
        lease = self._gateways.get(incarnation)
        if lease is None:
            return False
        self._gateways[incarnation] = (lease[0], self._now() + presence.GATEWAY_TTL)
        return True

    async def release(self, incarnation: Incarnation) -> None:
        """See the port."""
        self._gateways.pop(incarnation, None)

    async def gateways(self) -> Mapping[Incarnation, str]:
        """See the port."""
        return {incarnation: address for incarnation, (address, _) in self._living().items()}

    async def beat(self, task: str, *, leaving: bool = False) -> Sequence[str]:
        """See the port."""
        self._tasks = {name: ends for name, ends in self._tasks.items() if ends > self._now() and name != task}
        if not leaving:
            self._tasks[task] = self._now() + presence.TASK_TTL
        return sorted(self._tasks)

    async def report(
        self, incarnation: Incarnation, rooms: Sequence[logic_pb2.GatewayPresence]
    ) -> list[presence.Reported]:
        """See the port."""
        return [self._report(incarnation, stated) for stated in rooms]

    async def pushed(self, rooms: Sequence[pb.RoomPresence]) -> None:
        """See the port."""
        for found in rooms:
            self._rooms.setdefault(found.room, _Room()).pushed = view.digest(found)

    async def room(self, room: RoomName) -> pb.RoomPresence:
        """See the port."""
        return self._view(room, self._rooms.get(room, _Room()))

    def _living(self) -> dict[Incarnation, tuple[str, float]]:
        return {i: lease for i, lease in self._gateways.items() if lease[1] > self._now()}

    def _report(self, incarnation: Incarnation, stated: logic_pb2.GatewayPresence) -> presence.Reported:
        room = self._rooms.setdefault(stated.room, _Room())
        known = room.reports.get(incarnation)
        if known is None or known[0].number <= stated.number:
            kept = logic_pb2.GatewayPresence()
            kept.CopyFrom(stated)
            room.reports[incarnation] = (kept, self._now())
        self._forget(room)
        found = self._view(RoomName(stated.room), room)
        differs = view.digest(found) != room.pushed
        due = differs and self._now() - room.pushed_at >= view.PUSH_INTERVAL
        if due:
            room.pushed_at = self._now()
        return presence.Reported(found, changed=due, deferred=differs and not due)

    def _forget(self, room: _Room) -> None:
        old = self._now() - view.FORGET_AFTER
        room.reports = {i: kept for i, kept in room.reports.items() if kept[1] > old}

    def _view(self, name: RoomName, room: _Room) -> pb.RoomPresence:
        old, living = self._now() - view.FORGET_AFTER, self._living()
        counted = [stated for i, (stated, made) in room.reports.items() if i in living and made > old]
        return view.combine(name, counted)
