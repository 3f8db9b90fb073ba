"""Gateways: their leases, the rooms that they hold, and who they say is in them.

Owns the bounds on what a gateway may ask at once and when a room is told a changed presence. Does not own registrations
(the log's) nor leases and reports (the presence port's). Gateways are trusted as far as they know the cluster's secret.
"""

import asyncio
import itertools
import re
from collections.abc import Iterable, Sequence

from chatcluster.core import errors, ids
from chatcluster.core.ids import Incarnation, RoomName
from chatcluster.log import log
from chatcluster.logic import members, reading
from chatcluster.presence import presence
from chatcluster.v1 import logic_pb2, types_pb2 as pb

MAX_ROOMS = 500
"""Rooms in one register or unregister."""
MAX_REPORTS = 200
"""Rooms in one report of presence."""

_INCARNATION = re.compile(r"[A-Za-z0-9._-]{1,253}/[A-Za-z0-9]{1,64}")
_ADDRESS = re.compile(r"[\x21-\x7e]{1,253}:[0-9]{1,5}")


class Gateways:
    """What gateways ask."""

    def __init__(self, presence: presence.Presence, log: log.Log, answer_bytes: int) -> None:
        self._presence = presence
        self._log = log
        self._answer_bytes = answer_bytes

    async def renew(self, request: logic_pb2.RenewLeaseRequest) -> logic_pb2.RenewLeaseResponse:
        """Take or prolong a lease, and tell who lives. Raises `Invalid`."""
        incarnation = check_incarnation(request.incarnation)
        if request.acquire:
            await self._presence.acquire(incarnation, _check_address(request.address))
        held = request.acquire or await self._presence.renew(incarnation)
        live = await self._presence.gateways()
        return logic_pb2.RenewLeaseResponse(held=held, ttl_ms=int(presence.GATEWAY_TTL * 1000), live=sorted(live))

    async def release(self, incarnation: str) -> None:
        """End a lease. Raises `Invalid`."""
        await self._presence.release(check_incarnation(incarnation))

    async def register(self, request: logic_pb2.RegisterRoomsRequest) -> list[logic_pb2.Registration]:
        """Register for at most 500 rooms and read each on, in the order of the request.

        Once the answer holds `answer_bytes`, further rooms are registered too but say only where they stand. Raises
        `Invalid`; after any other error some of the rooms may be registered, which asking again makes good.
        """
        incarnation = check_incarnation(request.incarnation)
        reading.check_count(len(request.rooms), MAX_ROOMS)

        async def step(reads: Sequence[log.Read]) -> Iterable[log.Registered]:
            return await self._log.register(incarnation, request.number, reads)

        reads = [_forward(reading.to_log(room)) for room in request.rooms]
        found = await reading.within(self._answer_bytes, reads, step, lambda registered: registered.history)
        return [_registration(registered) for registered in found]

    async def unregister(self, request: logic_pb2.UnregisterRoomsRequest) -> None:
        """Take a gateway off at most 500 rooms. Raises `Invalid`."""
        incarnation = check_incarnation(request.incarnation)
        reading.check_count(len(request.rooms), MAX_ROOMS)
        await self._log.unregister(incarnation, request.number, [_check_room(room) for room in request.rooms])

    async def report(self, request: logic_pb2.ReportPresenceRequest) -> logic_pb2.ReportPresenceResponse:
        """Take in who is in at most 200 rooms on a gateway, and tell those rooms whose presence changed.

        `deferred` are the rooms that were not told although they should be. Raises `Invalid`.
        """
        incarnation = check_incarnation(request.incarnation)
        reading.check_count(len(request.rooms), MAX_REPORTS)
        for room in request.rooms:
            _check_report(room)
        found = await self._presence.report(incarnation, request.rooms)
        changed = [reported.presence for reported in found if reported.changed]
        told = await asyncio.gather(*(self._tell(room) for room in changed))
        if any(told):
            await self._presence.pushed(list(itertools.compress(changed, told)))
        late = [reported.presence.room for reported in found if reported.deferred]
        failed = [room.room for room, done in zip(changed, told, strict=True) if not done]
        return logic_pb2.ReportPresenceResponse(
            rooms=[reported.presence for reported in found], deferred=[*late, *failed]
        )

    async def _tell(self, room: pb.RoomPresence) -> bool:
        try:
            return await members.tell(self._log, members.announcement(room))
        except (errors.Busy, errors.OutcomeUnknown):
            return False


def check_incarnation(text: str) -> Incarnation:
    """A gateway's incarnation, `<name>/<boot nonce>`. Raises `errors.Invalid`."""
    if not _INCARNATION.fullmatch(text):
        raise errors.Invalid("an incarnation is <gateway name>/<boot nonce>")
    return Incarnation(text)


def _check_address(address: str) -> str:
    if not _ADDRESS.fullmatch(address):
        raise errors.Invalid("a gateway's address is <host>:<port>")
    return address


def _check_room(room: str) -> RoomName:
    ids.parse_room(room)
    return RoomName(room)


def _forward(read: log.Read) -> log.Read:
    if read.before is not None:
        raise errors.Invalid("a gateway registers for what comes after a position, not for what was before")
    return read


def _check_report(report: logic_pb2.GatewayPresence) -> None:
    _check_room(report.room)
    if len(report.user_ids) > presence.EXACT_COUNT or len(report.members) > presence.MEMBERS_SHOWN:
        raise errors.Invalid(
            f"a room is reported with at most {presence.EXACT_COUNT} ids and {presence.MEMBERS_SHOWN} names"
        )


def _registration(registered: log.Registered) -> logic_pb2.Registration:
    return logic_pb2.Registration(
        accepted=registered.accepted,
        shard_epoch=registered.shard_epoch,
        stream_id={"ms": registered.stream_id.ms, "seq": registered.stream_id.seq},
        history=registered.history,
    )
