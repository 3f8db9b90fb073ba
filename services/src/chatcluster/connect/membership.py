"""Who each connection is and where: users, their sessions, their rooms.

Owns the gateway's list of authenticated connections by user, and keeps hub and presence in step with it. Does not own
authentication (sessions) nor sockets (connection), nor how a connection gets to where a room stands (joins). A gochat
connection hears its user's inbox and at most one room; a v1 connection hears the rooms that it has joined. Every user's
inbox is registered as long as one of their connections is here, or a revoked session would not be heard of.

Bounded by the number of connections; one user has at most `per_user`.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from chatcluster.connect.hub import Hub
from chatcluster.connect.presence import Presence, Present
from chatcluster.core import ids
from chatcluster.core.ids import RoomName, UserId
from chatcluster.frames import disconnects
from chatcluster.frames.disconnects import Disconnect
from chatcluster.v1 import logic_pb2


class Member(Present, Protocol):
    """A connection; who it is and where is written by `Membership` only."""

    session: bytes
    """SHA-256 of its token; empty before it was admitted."""
    room: RoomName | None
    """The one room of a gochat connection."""
    rooms: set[RoomName]
    """Those that a v1 connection hears."""

    @property
    def hears_inbox(self) -> bool:
        """Whether it hears its user's inbox without having joined it."""
        ...

    def close(self, disconnect: Disconnect) -> None:
        """Close it, and leave the membership if it is in it."""
        ...


class Membership:
    """The connections whose user is known."""

    def __init__(
        self,
        hub: Hub,
        presence: Presence,
        per_user: int,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called after a room was entered or left: there may be something to ask logic for."""
        self._hub = hub
        self._presence = presence
        self._per_user = per_user
        self._clock = clock
        self._changed = changed
        self._users: dict[int, set[Member]] = {}

    def admit(self, member: Member, session: bytes, user: logic_pb2.User) -> bool:
        """Let a connection be this user, in no room; False, and nothing, when the user has too many already."""
        self.leave(member)
        connections = self._users.setdefault(user.id, set())
        if len(connections) >= self._per_user:
            return False
        connections.add(member)
        member.session, member.user = session, user
        if member.hears_inbox:
            self._hub.enter(_inbox(user), member, self._clock())
        else:
            self._hub.keep(_inbox(user), member, self._clock())
        self._changed()
        return True

    def move(self, member: Member, room: RoomName | None) -> None:
        """Leave the room, if any, and join another, if any."""
        if room == member.room:
            return
        now, before = self._clock(), member.room
        member.room = room
        if before is not None:
            self._hub.exit(before, member)
            self._presence.exit(before, member, now)
        if room is not None:
            self._hub.enter(room, member, now)
            self._presence.enter(room, member, now)
        self._changed()

    def prepare(self, member: Member, room: RoomName) -> None:
        """Have a room here that a connection is about to hear; until then it hears it no more, if it did."""
        self._quit(member, room)
        self._hub.prepare(room, member, self._clock())
        self._changed()

    def hear(self, member: Member, room: RoomName) -> None:
        """Hear a room, from where it stands now. Idempotent."""
        now = self._clock()
        self._hub.enter(room, member, now)
        if room not in member.rooms:
            member.rooms.add(room)
            if _has_presence(room):
                self._presence.enter(room, member, now)
        self._changed()

    def part(self, member: Member, room: RoomName) -> None:
        """Hear a room no more, and be no more about to. Idempotent."""
        self._quit(member, room)
        if room == _inbox(member.user):
            self._hub.keep(room, member, self._clock())
        else:
            self._hub.exit(room, member)
        self._changed()

    def _quit(self, member: Member, room: RoomName) -> None:
        if room in member.rooms:
            member.rooms.discard(room)
            if _has_presence(room):
                self._presence.exit(room, member, self._clock())

    def leave(self, member: Member) -> None:
        """Be nobody, nowhere. Idempotent."""
        if not member.session:
            return
        self.move(member, None)
        for room in [*member.rooms]:
            self.part(member, room)
        self._hub.exit(_inbox(member.user), member)
        self._users[member.user.id].discard(member)
        if not self._users[member.user.id]:
            del self._users[member.user.id]
        member.session = b""
        self._changed()

    def sessions(self, users: Iterable[UserId]) -> list[bytes]:
        """The sessions that connections of these users have."""
        return list({member.session for user in users for member in self._users.get(user, ())})

    def revoke(self, session: bytes, users: Iterable[UserId]) -> None:
        """Close every connection of a session; its user is among these."""
        members = [member for user in users for member in self._users.get(user, ())]
        for member in members:
            if member.session == session:
                member.close(disconnects.SESSION_ENDED)


def _has_presence(room: RoomName) -> bool:
    """An inbox is its owner's alone: there is nobody to tell."""
    return not room.startswith("user:")


def _inbox(user: logic_pb2.User) -> RoomName:
    return ids.inbox(UserId(user.id))
