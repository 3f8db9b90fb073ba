"""Authentication: from a name and a password to a session.

Owns accounts' creation, the check of passwords and the limits on both. Does not own how passwords are hashed
(passwords) nor what becomes of a session (sessions). The token is made here and handed out once; only its SHA-256 is
stored.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids
from chatcluster.logic import outcomes, passwords, sessions

MAX_PASSWORD_BYTES = 1024
MAX_ADDRESS_CHARACTERS = 64
"""Room for any IPv6 address with its zone."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a session lasts and how often an address may ask for one."""

    session_ttl: float = 86_400
    """Seconds; gochat's day. Not prolonged by use."""
    registrations: int = 10
    """Accounts that an address may create a minute; as many at once."""
    logins: int = 30
    """Logins that an address may try a minute; as many at once."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session."""

    token: str
    """Shown to its user once and never stored."""
    user: accounts.Account
    expires_ms: int
    """When the session ends by itself, in milliseconds since 1970."""


class Authentication:
    """Registers users and logs them in."""

    def __init__(
        self,
        accounts: accounts.Accounts,
        passwords: passwords.Passwords,
        policy: Policy,
        new_token: Callable[[], str],
        sessions: sessions.Sessions,
    ) -> None:
        """`new_token` draws 256 random bits, in base64url with padding: 44 characters, gochat's form."""
        self._accounts = accounts
        self._passwords = passwords
        self._policy = policy
        self._new_token = new_token
        self._sessions = sessions

    async def register(self, name: str, password: str, address: str) -> Opened:
        """Create an account and open its first session.

        Raises `Invalid`, `RateLimited`, `NameTaken`, `Busy`; after `OutcomeUnknown` the account may exist, and its user
        may log in.
        """
        ids.check_user_name(name)
        _check_password(password)
        await self._admit("register", address, self._policy.registrations)
        # Asked before as well as decided by `create`: a taken name shall not cost a hash.
        if await self._accounts.by_name(name):
            raise errors.NameTaken
        password_hash = await self._passwords.hash(password)
        account = await outcomes.repeated_once(lambda: self._accounts.create(name, password_hash))
        return await self._open(account)

    async def login(self, name: str, password: str, address: str) -> Opened:
        """Open another session for a user.

        Raises `WrongCredentials` after the same work whether or not the name has an account; `Invalid`, `RateLimited`,
        `Busy`.
        """
        _check_password(password)
        await self._admit("login", address, self._policy.logins)
        account = await self._find(name)
        matches = await self._passwords.matches(account.password_hash if account else None, password)
        if account is None or not matches:
            raise errors.WrongCredentials
        if self._passwords.is_outdated(account.password_hash):
            await self._strengthen(account, password)
        return await self._open(account)

    async def _admit(self, action: str, address: str, a_minute: int) -> None:
        if len(address) > MAX_ADDRESS_CHARACTERS:
            raise errors.Invalid(f"an address has at most {MAX_ADDRESS_CHARACTERS} characters")
        if address and not await self._accounts.allow(action, address, a_minute / 60, a_minute):
            raise errors.RateLimited(f"too many attempts to {action} from this address", retry_after=60 / a_minute)

    async def _find(self, name: str) -> accounts.Account | None:
        """The account; a name that nobody can have is merely unknown, and does not reach the store at any length."""
        try:
            return await self._accounts.by_name(ids.check_user_name(name))
        except errors.Invalid:
            return None

    async def _strengthen(self, account: accounts.Account, password: str) -> None:
        """Hash the password at today's cost. The login does not depend on it: the next one tries again."""
        try:
            await self._accounts.replace_hash(account, await self._passwords.hash(password))
        except errors.ChatError as exc:
            _log.info("password_rehash_put_off", user=account.id, error=exc.code)

    async def _open(self, account: accounts.Account) -> Opened:
        token = self._new_token()
        session = hashlib.sha256(token.encode()).digest()
        ttl = self._policy.session_ttl
        opened = await outcomes.repeated_once(lambda: self._accounts.open_session(session, account, ttl))
        try:
            await self._sessions.make_room(account.id)
        except errors.ChatError as exc:
            _log.info("old_sessions_not_ended", user=account.id, error=exc.code)  # the next login tries again
        return Opened(token, account, opened.expires_ms)


def _check_password(password: str) -> None:
    size = len(password.encode())
    if not 1 <= size <= MAX_PASSWORD_BYTES:
        raise errors.Invalid(f"a password has 1 to {MAX_PASSWORD_BYTES} bytes, this one has {size}")
