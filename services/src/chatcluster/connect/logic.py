"""What a gateway asks of logic: each call with its deadline.

Owns the deadlines. Does not own repetition: the pool repeats what proto/ calls idempotent, within the deadline; what is
to be done after that is decided where the call is made. Errors are `core.errors`, as the pool raises them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from google.protobuf.message import Message

from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.v1 import logic_pb2, types_pb2 as pb

LEASE_TIMEOUT = 2.0
"""Seconds; two and a half of these fit between two renewals."""
TIMEOUT = 5.0
"""Seconds, for everything else."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open session."""

    session: bytes
    user: logic_pb2.User
    expires_ms: int
    """When it ends by itself, in milliseconds since 1970."""


class Calls(Protocol):
    """A way to logic; `core.rpc_pool.Pool` is one."""

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Make a call by its name in logic.proto."""
        ...


class Logic:
    """The calls that a gateway makes."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def check_session(self, session: bytes) -> Opened:
        """Whose session it is. Raises `SessionEnded`."""
        request = logic_pb2.CheckSessionRequest(session=session)
        response: logic_pb2.CheckSessionResponse = await self._calls.call("CheckSession", request, timeout=TIMEOUT)
        return Opened(session, response.user, response.expires_ms)

    async def redeem(self, ticket: bytes) -> Opened:
        """Which session a ticket, told by its SHA-256, stands for; once. Raises `SessionEnded`."""
        request = logic_pb2.RedeemTicketRequest(ticket=ticket)
        response: logic_pb2.RedeemTicketResponse = await self._calls.call("RedeemTicket", request, timeout=TIMEOUT)
        return Opened(response.session, response.user, response.expires_ms)

    async def ended(self, sessions: Sequence[bytes]) -> Sequence[bytes]:
        """Those of at most 1,000 sessions that have ended."""
        request = logic_pb2.CheckSessionsRequest(sessions=sessions)
        response: logic_pb2.CheckSessionsResponse = await self._calls.call("CheckSessions", request, timeout=TIMEOUT)
        return response.ended

    async def publish(self, request: logic_pb2.PublishRequest) -> logic_pb2.PublishResponse:
        """Publish once; returns when it is stored."""
        response: logic_pb2.PublishResponse = await self._calls.call("Publish", request, timeout=TIMEOUT)
        return response

    async def history(self, session: bytes, reads: Sequence[logic_pb2.RoomRead]) -> Sequence[logic_pb2.RoomHistory]:
        """Read rooms as a session's user, or all rooms with none; in the order of the reads."""
        request = logic_pb2.ReadHistoryRequest(session=session, reads=reads)
        response: logic_pb2.ReadHistoryResponse = await self._calls.call("ReadHistory", request, timeout=TIMEOUT)
        return response.rooms

    async def presence(self, session: bytes, room: RoomName) -> pb.RoomPresence:
        """Who is in a room, over all gateways."""
        request = logic_pb2.GetRoomPresenceRequest(session=session, room=room)
        response: logic_pb2.GetRoomPresenceResponse = await self._calls.call(
            "GetRoomPresence", request, timeout=TIMEOUT
        )
        return response.presence

    async def push_typing(self, session: bytes, room: RoomName) -> None:
        """Tell a room that a session's user is typing."""
        await self._calls.call("PushTyping", logic_pb2.PushTypingRequest(session=session, room=room), timeout=TIMEOUT)

    async def mark_read(self, session: bytes, room: RoomName, position: pb.Position) -> None:
        """Store how far a session's user has read, and tell the room."""
        request = logic_pb2.MarkReadRequest(session=session, room=room, position=position)
        await self._calls.call("MarkRead", request, timeout=TIMEOUT)

    async def renew_lease(
        self, incarnation: Incarnation, address: str, *, acquire: bool
    ) -> logic_pb2.RenewLeaseResponse:
        """Take or prolong the lease."""
        request = logic_pb2.RenewLeaseRequest(incarnation=incarnation, address=address, acquire=acquire)
        response: logic_pb2.RenewLeaseResponse = await self._calls.call("RenewLease", request, timeout=LEASE_TIMEOUT)
        return response

    async def release_lease(self, incarnation: Incarnation) -> None:
        """Give the lease up."""
        await self._calls.call("ReleaseLease", logic_pb2.ReleaseLeaseRequest(incarnation=incarnation), timeout=TIMEOUT)

    async def register(self, request: logic_pb2.RegisterRoomsRequest) -> Sequence[logic_pb2.Registration]:
        """Register rooms and read them on."""
        response: logic_pb2.RegisterRoomsResponse = await self._calls.call("RegisterRooms", request, timeout=TIMEOUT)
        return response.registrations

    async def unregister(self, request: logic_pb2.UnregisterRoomsRequest) -> None:
        """Take the gateway off rooms."""
        await self._calls.call("UnregisterRooms", request, timeout=TIMEOUT)

    async def report_presence(self, request: logic_pb2.ReportPresenceRequest) -> logic_pb2.ReportPresenceResponse:
        """State who is in rooms on this gateway."""
        response: logic_pb2.ReportPresenceResponse = await self._calls.call("ReportPresence", request, timeout=TIMEOUT)
        return response
