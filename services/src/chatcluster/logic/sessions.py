"""Sessions: whose a session is, and how it ends.

Owns the step from a session to its user, which everything that a user asks for begins with, logout, and how many
sessions a user may have. Does not open sessions (authentication) and never sees a token: a session is the SHA-256 of
one.
"""

from collections.abc import Sequence

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids
from chatcluster.log import log
from chatcluster.logic import outcomes
from chatcluster.v1 import logic_pb2, types_pb2 as pb

SESSION_BYTES = 32
MAX_SESSIONS = 1000
"""Sessions in one look-up."""
MAX_OPEN = 100
"""Sessions of one user; the next one ends the oldest."""


class Sessions:
    """Open sessions, over the accounts port."""

    def __init__(self, accounts: accounts.Accounts, log: log.Log) -> None:
        self._accounts = accounts
        self._log = log

    async def require(self, session: bytes) -> accounts.Session:
        """The open session. Raises `errors.SessionEnded` only when the store has answered that there is none."""
        found = await self._accounts.session(_checked(session))
        if found is None:
            raise errors.SessionEnded
        return found

    async def ended(self, sessions: Sequence[bytes]) -> list[bytes]:
        """Those of at most 1,000 sessions that are unknown, revoked or over."""
        if len(sessions) > MAX_SESSIONS:
            raise errors.Invalid(f"at most {MAX_SESSIONS} sessions can be asked for at once, not {len(sessions)}")
        return await self._accounts.ended([_checked(session) for session in sessions])

    async def end(self, session: bytes) -> None:
        """Revoke a session, then have every gateway close its connections; nothing to do when it is gone already.

        Should this process die between the two, gateways notice when they next check the sessions of the inbox.
        """
        found = await self._accounts.session(_checked(session))
        if found is None:
            return
        await outcomes.repeated_once(lambda: self._accounts.revoke(session))
        order = pb.Control(room=ids.inbox(found.user), revoke_session=session)
        await outcomes.repeated_once(lambda: self._log.order(order))

    async def listed(self, session: bytes) -> list[logic_pb2.OpenSession]:
        """The open sessions of a session's user, the newest first. Raises `SessionEnded`."""
        user = (await self.require(session)).user
        return [
            logic_pb2.OpenSession(
                id=public_id(found.session),
                created_ms=found.created_ms,
                expires_ms=found.expires_ms,
                current=found.session == session,
            )
            for found in await self._accounts.listed(user)
        ]

    async def end_some(self, request: logic_pb2.EndSessionsRequest) -> int:
        """Revoke sessions of a session's user as `end` does, and say how many; the asking one last of all.

        Raises `SessionEnded`, `NotFound`, `Invalid`. After any other error some of them may have ended.
        """
        asking = request.session
        user = (await self.require(asking)).user
        others = [found.session for found in await self._accounts.listed(user) if found.session != asking]
        match request.WhichOneof("which"):
            case "id":
                chosen = [session for session in [*others, asking] if public_id(session) == request.id]
                if not chosen:
                    raise errors.NotFound("there is no such session")
            case "all":
                chosen = [*others, asking]
            case "others":
                chosen = others
            case _:
                raise errors.Invalid("which sessions? one by its id, all of them, or the others")
        for session in chosen:
            await self.end(session)
        return len(chosen)

    async def make_room(self, user: ids.UserId) -> None:
        """End the oldest sessions of a user who has more than `MAX_OPEN`."""
        for found in (await self._accounts.listed(user))[MAX_OPEN:]:
            await self.end(found.session)


def public_id(session: bytes) -> str:
    """The name of a session that may be shown: 64 of the 256 bits that stand for its token."""
    return session.hex()[:16]


def _checked(session: bytes) -> bytes:
    if len(session) != SESSION_BYTES:
        raise errors.Invalid(f"a session is the {SESSION_BYTES} bytes of a SHA-256, not {len(session)}")
    return session
