"""Tickets: what stands for a session, once and briefly, where a token could be seen by others.

Owns how long a ticket serves. A browser cannot set headers on a websocket, and what it puts into an address is written
to logs: so it asks for a ticket over REST, and shows that. Does not own sessions; a ticket outlives none.
"""

import hashlib
from collections.abc import Callable

from chatcluster.accounts import accounts
from chatcluster.core import errors
from chatcluster.logic import outcomes, sessions
from chatcluster.v1 import logic_pb2

TICKET_TTL = 60.0
TICKET_BYTES = 32
"""Of the SHA-256 that names a ticket."""


class Tickets:
    """Issues and redeems tickets."""

    def __init__(self, sessions: sessions.Sessions, accounts: accounts.Accounts, new_ticket: Callable[[], str]) -> None:
        """`new_ticket` draws 256 random bits, in base64url without padding."""
        self._sessions = sessions
        self._accounts = accounts
        self._new_ticket = new_ticket

    async def issue(self, session: bytes) -> logic_pb2.IssueTicketResponse:
        """Draw a ticket for an open session. Raises `SessionEnded`."""
        await self._sessions.require(session)
        text = self._new_ticket()
        name = hashlib.sha256(text.encode()).digest()
        ends = await outcomes.repeated_once(lambda: self._accounts.issue_ticket(name, session, TICKET_TTL))
        return logic_pb2.IssueTicketResponse(ticket=text, expires_ms=ends)

    async def redeem(self, ticket: bytes) -> logic_pb2.RedeemTicketResponse:
        """Take a ticket for its session, if that is open still. Raises `SessionEnded`, `Invalid`.

        After `OutcomeUnknown` the ticket may be used up: its client asks for another one.
        """
        if len(ticket) != TICKET_BYTES:
            raise errors.Invalid(f"a ticket is named by the {TICKET_BYTES} bytes of a SHA-256, not {len(ticket)}")
        session = await self._accounts.redeem_ticket(ticket)
        if session is None:
            raise errors.SessionEnded("the ticket is unknown, used or over")
        found = await self._sessions.require(session)
        user = logic_pb2.User(id=found.user, name=found.name)
        return logic_pb2.RedeemTicketResponse(session=session, user=user, expires_ms=found.expires_ms)
