"""The presence port: which gateways and tasks live, and who is in which room on each gateway.

Presence is a lease, never a counter: a gateway states its rooms absolutely, and what it stated counts only while its
lease lives by Redis' clock. So a crash needs no clean-up to be true, and nothing drifts.

Errors of every method: `errors.Unavailable`, or `errors.OutcomeUnknown` for a write that may have happened. All are
idempotent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.frames.parts import MAX_MEMBERS
from chatcluster.v1 import logic_pb2, types_pb2 as pb

GATEWAY_TTL = 15.0
"""Seconds that a gateway's lease lasts; it renews every 5."""
TASK_TTL = 4.0
"""Seconds that a task's lease lasts; it renews twice a second."""
EXACT_COUNT = 10_000
"""Up to so many users a room's count is exact."""
MEMBERS_SHOWN = MAX_MEMBERS
"""At most so many members are listed: what frames have room for."""


@dataclass(frozen=True, slots=True)
class Reported:
    """One room's presence over all living gateways."""

    presence: pb.RoomPresence
    changed: bool
    """It differs from what was last pushed to the room, and this caller now has the room's turn to push (one a
    second), to be followed by `Presence.pushed`."""
    deferred: bool
    """It differs, but the turn was taken within the last second: report again."""


class Presence(Protocol):
    """Leases and who is where."""

    async def acquire(self, incarnation: Incarnation, address: str) -> None:
        """Create a gateway's lease for `GATEWAY_TTL`, and end any other at the same address (its process is gone)."""
        ...

    async def renew(self, incarnation: Incarnation) -> bool:
        """Prolong it; False when it had lapsed or was ended: a lapsed incarnation never comes back."""
        ...

    async def release(self, incarnation: Incarnation) -> None:
        """End it."""
        ...

    async def gateways(self) -> Mapping[Incarnation, str]:
        """The living incarnations and their addresses, from the master, never cached."""
        ...

    async def beat(self, task: str, *, leaving: bool = False) -> Sequence[str]:
        """Renew a task's lease (or end it) and return the living tasks, sorted."""
        ...

    async def report(self, incarnation: Incarnation, rooms: Sequence[logic_pb2.GatewayPresence]) -> list[Reported]:
        """State who is in these rooms on this gateway; a number lower than the last one stated is ignored."""
        ...

    async def pushed(self, rooms: Sequence[pb.RoomPresence]) -> None:
        """Remember what was pushed to these rooms. Until then the next report finds it changed again, so that a push
        that fails is made up for.
        """
        ...

    async def room(self, room: RoomName) -> pb.RoomPresence:
        """Who is in a room, over all living gateways."""
        ...
