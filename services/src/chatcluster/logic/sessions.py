"""Sessions: whose a session is, and how it ends.

Owns the step from a session to its user, which everything that a user asks for begins with, and logout. Does not open
sessions (authentication) and never sees a token: a session is the SHA-256 of one.
"""

from collections.abc import Sequence

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids
from chatcluster.log import log
from chatcluster.logic import outcomes
from chatcluster.v1 import types_pb2 as pb

SESSION_BYTES = 32
MAX_SESSIONS = 1000
"""Sessions in one look-up."""


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


def _checked(session: bytes) -> bytes:
    if len(session) != SESSION_BYTES:
        raise errors.Invalid(f"a session is the {SESSION_BYTES} bytes of a SHA-256, not {len(session)}")
    return session
