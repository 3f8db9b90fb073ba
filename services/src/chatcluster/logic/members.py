"""Members: who is in a room, told to one who asks or to the room.

Owns who may ask, in which form a room is told (gochat's op 5 or op 4) and how often. Does not own the truth, which is
what the gateways report to the presence port.
"""

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids, telemetry
from chatcluster.core.ids import RoomName
from chatcluster.log import log
from chatcluster.logic import sessions
from chatcluster.presence import presence
from chatcluster.v1 import types_pb2 as pb


class Members:
    """Presence of rooms, for users."""

    def __init__(
        self,
        sessions: sessions.Sessions,
        accounts: accounts.Accounts,
        presence: presence.Presence,
        log: log.Log,
        pushes: int,
    ) -> None:
        """`pushes`: how many times a second users may have one room told its presence."""
        self._sessions = sessions
        self._accounts = accounts
        self._presence = presence
        self._log = log
        self._pushes = pushes

    async def show(self, session: bytes, room: str) -> pb.RoomPresence:
        """Who is in a room now. Raises `SessionEnded`, `Invalid`, `Forbidden`."""
        user = (await self._sessions.require(session)).user
        ids.check_reader(room, user)
        return await self._presence.room(RoomName(room))

    async def push(self, session: bytes, room: str, *, members: bool) -> pb.RoomPresence:
        """Tell everybody in a room who is in it (`members`) or how many, and return the same.

        Raises `NotFound` when the members of an empty room are asked for. Over the rate the room is not told: it just
        was, and anyone could otherwise make a large room read lists without end.
        """
        found = await self.show(session, room)
        if members and not found.count:
            raise errors.NotFound("nobody is in this room")
        if await self._accounts.allow("presence", room, self._pushes, self._pushes):
            await tell(self._log, announcement(found, members=members))
        else:
            telemetry.EPHEMERALS_DROPPED_TOTAL.inc()
        return found


def announcement(found: pb.RoomPresence, *, members: bool = True) -> pb.Ephemeral:
    """A room's presence for all in it: with its members if that is wanted and they are few enough, else their count."""
    if members and found.count <= presence.MEMBERS_SHOWN:
        return pb.Ephemeral(room=found.room, members=found)
    return pb.Ephemeral(room=found.room, count=pb.RoomPresence(room=found.room, count=found.count))


async def tell(log: log.Log, ephemeral: pb.Ephemeral) -> bool:
    """Push an ephemeral; False, and counted, when dispatch is too full for it."""
    pushed = await log.push(ephemeral)
    if not pushed:
        telemetry.EPHEMERALS_DROPPED_TOTAL.inc()
    return pushed
