"""The accounts port: accounts, sessions, tickets for sessions, and how often an address may ask for any of them.

Knows no passwords: it stores the hash it is given (argon2id, made by logic). Knows no tokens: a session is named by the
SHA-256 of its token, a ticket by the SHA-256 of its text.

Errors of every method: `errors.Unavailable`, or `errors.OutcomeUnknown` for a write that may have happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chatcluster.core.ids import UserId


@dataclass(frozen=True, slots=True)
class Account:
    """A user."""

    id: UserId
    name: str
    password_hash: str


@dataclass(frozen=True, slots=True)
class Session:
    """An open session."""

    user: UserId
    name: str
    expires_ms: int
    """When it ends by itself, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An open session, as its user may see it."""

    session: bytes
    created_ms: int
    expires_ms: int


class Accounts(Protocol):
    """Accounts and sessions."""

    async def create(self, name: str, password_hash: str) -> Account:
        """Create an account with the next id, in one atomic step over the name. Raises `NameTaken`.

        Repeating it with the very same hash returns the account that the first attempt made.
        """
        ...

    async def by_name(self, name: str) -> Account | None:
        """The account of that exact name (case-sensitive)."""
        ...

    async def name_of(self, user: UserId) -> str | None:
        """The name of a user."""
        ...

    async def replace_hash(self, account: Account, password_hash: str) -> None:
        """Store a stronger hash of the same password, if the stored one is still the account's."""
        ...

    async def open_session(self, session: bytes, account: Account, ttl: float) -> Session:
        """Store a session for `ttl` seconds, and list it as one of the user's.

        Listed first, in a step of its own: a crash in between leaves a listed session that never was, which `listed`
        leaves out; never an open one that its user cannot find.
        """
        ...

    async def session(self, session: bytes) -> Session | None:
        """An open session, or None when it is unknown, revoked or over."""
        ...

    async def ended(self, sessions: Sequence[bytes]) -> list[bytes]:
        """Those of these that are unknown, revoked or over."""
        ...

    async def revoke(self, session: bytes) -> Session | None:
        """End a session; what it was, or None when there was none."""
        ...

    async def listed(self, user: UserId) -> list[Listed]:
        """The user's open sessions, the newest first. Those that are over are forgotten when the next one is opened."""
        ...

    async def issue_ticket(self, ticket: bytes, session: bytes, ttl: float) -> int:
        """Have a ticket, named by its SHA-256, stand for a session for `ttl` seconds; when it ends, in ms since 1970.

        Repeating it with the same ticket and session is harmless.
        """
        ...

    async def redeem_ticket(self, ticket: bytes) -> bytes | None:
        """Take a ticket for its session, in one atomic step; None when it is unknown, taken or over.

        Of several who try at once one gets it. Says nothing of the session, which may have ended since.
        """
        ...

    async def allow(self, action: str, address: str, rate: float, burst: int) -> bool:
        """Take one token from the bucket of (action, address), which refills at `rate` a second up to `burst`.

        Buckets are forgotten when they are full again, so addresses that stay away cost nothing.
        """
        ...
