"""Accounts in memory: the same steps as the Redis scripts, for unit tests and the simulation.

Owns accounts, sessions and buckets of one process' life. `now` is the clock in seconds; no method ever suspends.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from chatcluster.accounts import accounts
from chatcluster.core import errors
from chatcluster.core.ids import UserId


class MemoryAccounts:
    """The accounts port in memory."""

    def __init__(self, *, now: Callable[[], float]) -> None:
        self._now = now
        self._by_name: dict[str, accounts.Account] = {}
        self._names: dict[UserId, str] = {}
        self._sessions: dict[bytes, accounts.Session] = {}
        self._created: dict[bytes, int] = {}
        self._tickets: dict[bytes, tuple[bytes, int]] = {}
        """Sessions, and when the tickets for them end."""
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}
        """Tokens, and when they were counted."""

    async def create(self, name: str, password_hash: str) -> accounts.Account:
        """See the port."""
        known = self._by_name.get(name)
        if known:
            if known.password_hash != password_hash:
                raise errors.NameTaken
            return known
        account = accounts.Account(UserId(len(self._names) + 1), name, password_hash)
        self._by_name[name] = account
        self._names[account.id] = name
        return account

    async def by_name(self, name: str) -> accounts.Account | None:
        """See the port."""
        return self._by_name.get(name)

    async def name_of(self, user: UserId) -> str | None:
        """See the port."""
        return self._names.get(user)

    async def replace_hash(self, account: accounts.Account, password_hash: str) -> None:
        """See the port."""
        if self._by_name.get(account.name) == account:
            self._by_name[account.name] = replace(account, password_hash=password_hash)

    async def open_session(self, session: bytes, account: accounts.Account, ttl: float) -> accounts.Session:
        """See the port."""
        opened = accounts.Session(account.id, account.name, int((self._now() + ttl) * 1000))
        self._sessions[session] = opened
        self._created.setdefault(session, int(self._now() * 1000))
        return opened

    async def session(self, session: bytes) -> accounts.Session | None:
        """See the port."""
        found = self._sessions.get(session)
        if found and found.expires_ms <= self._now() * 1000:
            del self._sessions[session]
            return None
        return found

    async def ended(self, sessions: Sequence[bytes]) -> list[bytes]:
        """See the port."""
        return [session for session in sessions if await self.session(session) is None]

    async def revoke(self, session: bytes) -> accounts.Session | None:
        """See the port."""
        found = await self.session(session)
        self._sessions.pop(session, None)
        return found

    async def listed(self, user: UserId) -> list[accounts.Listed]:
        """See the port."""
        of_user = [key for key, opened in self._sessions.items() if opened.user == user]
        open_ones = {key: opened for key in of_user if (opened := await self.session(key))}
        found = [accounts.Listed(key, self._created[key], opened.expires_ms) for key, opened in open_ones.items()]
        return sorted(found, key=lambda listed: -listed.created_ms)

    async def issue_ticket(self, ticket: bytes, session: bytes, ttl: float) -> int:
        """See the port."""
        ends = int((self._now() + ttl) * 1000)
        self._tickets[ticket] = (session, ends)
        return ends

    async def redeem_ticket(self, ticket: bytes) -> bytes | None:
        """See the port."""
        session, ends = self._tickets.pop(ticket, (b"", 0))
        return session if ends > self._now() * 1000 else None

    async def allow(self, action: str, address: str, rate: float, burst: int) -> bool:
        """See the port."""
        now = self._now()
        tokens, counted = self._buckets.get((action, address), (float(burst), now))
        tokens = min(float(burst), tokens + (now - counted) * rate)
        allowed = tokens >= 1
        self._buckets[action, address] = (tokens - 1 if allowed else tokens, now)
        return allowed
