"""The accounts port: accounts, sessions, and how often an address may ask for either.

Knows no passwords: it stores the hash it is given (argon2id, made by logic). Knows no tokens: a session is named by the
SHA-256 of its token.

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
        """Store a session for `ttl` seconds."""
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

    async def allow(self, action: str, address: str, rate: float, burst: int) -> bool:
        """Take one token from the bucket of (action, address), which refills at `rate` a second up to `burst`.

        Buckets are forgotten when they are full again, so addresses that stay away cost nothing.
        """
        ...
