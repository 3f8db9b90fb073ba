"""What a gateway asks of logic: each call with its deadline.

Owns the deadlines. Does not own repetition: the pool repeats what proto/ calls idempotent, within the deadline; what is
to be done after that is decided where the call is made. Errors are `core.errors`, as the pool raises them.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from google.protobuf.message import Message

from chatcluster.core.ids import Incarnation
from chatcluster.v1 import logic_pb2

LEASE_TIMEOUT = 2.0
"""Seconds; two and a half of these fit between two renewals."""
TIMEOUT = 5.0
"""Seconds, for everything else."""


class Calls(Protocol):
    """A way to logic; `core.rpc_pool.Pool` is one."""

    async def call(self, method: str, request: Message, *, timeout: float) -> Any:
        """Make a call by its name in logic.proto."""
        ...


class Logic:
    """The calls that a gateway makes."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def check_session(self, session: bytes) -> logic_pb2.User:
        """Whose session it is. Raises `SessionEnded`."""
        request = logic_pb2.CheckSessionRequest(session=session)
        response: logic_pb2.CheckSessionResponse = await self._calls.call("CheckSession", request, timeout=TIMEOUT)
        return response.user

    async def ended(self, sessions: Sequence[bytes]) -> Sequence[bytes]:
        """Those of at most 1,000 sessions that have ended."""
        request = logic_pb2.CheckSessionsRequest(sessions=sessions)
        response: logic_pb2.CheckSessionsResponse = await self._calls.call("CheckSessions", request, timeout=TIMEOUT)
        return response.ended

    async def publish(self, request: logic_pb2.PublishRequest) -> None:
        """Publish once; returns when it is stored."""
        await self._calls.call("Publish", request, timeout=TIMEOUT)

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
