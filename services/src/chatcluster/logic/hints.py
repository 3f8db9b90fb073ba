"""Hints: what is worth telling a room only while it is new, such as that somebody is typing.

Owns how often a room is told, and that nobody is kept waiting or refused for it: what does not get through is dropped
and counted. Does not own what is told with a promise (publications), nor presence, which makes up for what was dropped.
"""

import asyncio
from collections.abc import Callable, Iterator

from chatcluster.core import errors, ids, telemetry
from chatcluster.core.rates import Table
from chatcluster.log import log
from chatcluster.logic import members, sessions
from chatcluster.v1 import types_pb2 as pb

ROOMS = 10_000
"""Rooms whose rate one process remembers."""


class Hints:
    """Tells rooms hints."""

    def __init__(self, sessions: sessions.Sessions, log: log.Log, rates: Table, now: Callable[[], float]) -> None:
        """`rates` limits how often one room is told by this process; `now` is its clock."""
        self._sessions = sessions
        self._log = log
        self._rates = rates
        self._now = now

    async def typing(self, session: bytes, room: str) -> None:
        """Tell a room that a user is writing. Raises `SessionEnded`, `Invalid`, `Forbidden`."""
        user = await self._sessions.require(session)
        ids.check_reader(room, user.user)
        typing = pb.Typing(user=pb.Member(user_id=user.user, user_name=user.name))
        await self.tell(pb.Ephemeral(room=room, typing=typing))

    async def tell(self, hint: pb.Ephemeral) -> None:
        """Tell a room, and both users of a private conversation wherever they are. Over the rate, and when dispatch
        does not take it, it is dropped. Raises nothing.
        """
        if self._rates.take(hint.room, self._now()):
            telemetry.EPHEMERALS_DROPPED_TOTAL.inc()
            return
        await asyncio.gather(*(self._push(each) for each in (hint, *_copies(hint))))

    async def _push(self, hint: pb.Ephemeral) -> None:
        try:
            await members.tell(self._log, hint)
        except errors.ChatError:
            telemetry.EPHEMERALS_DROPPED_TOTAL.inc()


def _copies(hint: pb.Ephemeral) -> Iterator[pb.Ephemeral]:
    """For the inboxes: a device shows a conversation's messages from there, without having joined it."""
    room = ids.parse_room(hint.room)
    if room.kind == "dm":
        for user in dict.fromkeys(room.users):
            copy = pb.Ephemeral()
            copy.CopyFrom(hint)
            copy.room, copy.conversation = ids.inbox(user), hint.room
            yield copy
