"""Accounts in Redis.

Owns the keys and scripts of accounts and sessions. All accounts are in one slot, as a name has to be unique among all
of them; sessions are spread over 16 slots, so that a thousand can be looked up in few steps and no server has all. A
user's list of sessions and each ticket have a slot of their own.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from chatcluster.accounts import accounts
from chatcluster.core import errors, ids, shards
from chatcluster.core.ids import ShardId, UserId
from chatcluster.core.redis import Client, Script

SESSIONS_AT_ONCE = 500
"""Sessions that one script looks up."""


def _script(name: str, *, repeatable: bool = False) -> Script:
    return Script.load("chatcluster.accounts", name, repeatable=repeatable)


_CREATE = _script("create")
_ACCOUNT = _script("account", repeatable=True)
_NAME = _script("name", repeatable=True)
_REHASH = _script("rehash")
_LIST = _script("list", repeatable=True)
_LISTED = _script("listed", repeatable=True)
_UNLIST = _script("unlist", repeatable=True)
_OPEN = _script("open")
_SESSIONS = _script("sessions", repeatable=True)
_REVOKE = _script("revoke")
_ISSUE = _script("issue", repeatable=True)
_REDEEM = _script("redeem")
_ALLOW = _script("allow", repeatable=True)


class RedisAccounts:
    """The accounts port over Redis. `prefix` is the cluster's, `chat:<name>`."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._accounts = f"{{{prefix}:accounts}}:by-name"
        self._names = f"{{{prefix}:accounts}}:names"

    async def create(self, name: str, password_hash: str) -> accounts.Account:
        """See the port."""
        user = await self._client.run(_CREATE, [self._accounts, self._names], [name, password_hash, ids.MAX_INT])
        if user == 0:
            raise errors.NameTaken
        if user < 0:
            raise errors.Busy("there are no user ids left")
        return accounts.Account(UserId(user), name, password_hash)

    async def by_name(self, name: str) -> accounts.Account | None:
        """See the port."""
        stored = await self._client.run(_ACCOUNT, [self._accounts], [name])
        if stored is None:
            return None
        user, _, password_hash = stored.decode().partition(" ")
        return accounts.Account(UserId(int(user)), name, password_hash)

    async def name_of(self, user: UserId) -> str | None:
        """See the port."""
        stored = await self._client.run(_NAME, [self._names], [user])
        return None if stored is None else str(stored.decode())

    async def replace_hash(self, account: accounts.Account, password_hash: str) -> None:
        """See the port."""
        old, new = f"{account.id} {account.password_hash}", f"{account.id} {password_hash}"
        await self._client.run(_REHASH, [self._accounts], [account.name, old, new])

    async def open_session(self, session: bytes, account: accounts.Account, ttl: float) -> accounts.Session:
        """See the port."""
        await self._client.run(_LIST, [self._list_of(account.id)], [session, int(ttl * 1000)])
        ends = await self._client.run(_OPEN, [self._session(session)], [account.id, account.name, int(ttl * 1000)])
        return accounts.Session(account.id, account.name, ends)

    async def session(self, session: bytes) -> accounts.Session | None:
        """See the port."""
        return _read((await self._client.run(_SESSIONS, [self._session(session)]))[0])

    async def ended(self, sessions: Sequence[bytes]) -> list[bytes]:
        """See the port."""
        found = await self._stored(sessions)
        return [session for session, stored in zip(sessions, found, strict=True) if stored is None]

    async def _stored(self, sessions: Sequence[bytes]) -> list[bytes | None]:
        async def step(_: ShardId, part: Sequence[bytes]) -> Sequence[bytes | None]:
            found: Sequence[bytes | None] = await self._client.run(_SESSIONS, [self._session(key) for key in part])
            return found

        return await shards.each(sessions, _sixteenth, step, SESSIONS_AT_ONCE)

    async def revoke(self, session: bytes) -> accounts.Session | None:
        """See the port."""
        ended = _read(await self._client.run(_REVOKE, [self._session(session)]))
        if ended:
            # It is over, whatever becomes of this: a line of the list that stays is not shown.
            with suppress(errors.ChatError):
                await self._client.run(_UNLIST, [self._list_of(ended.user)], [session])
        return ended

    async def listed(self, user: UserId) -> list[accounts.Listed]:
        """See the port."""
        lines = await self._client.run(_LISTED, [self._list_of(user)])
        created = {session: int(line.partition(b" ")[0]) for session, line in zip(lines[::2], lines[1::2], strict=True)}
        sessions = sorted(created, key=lambda session: (-created[session], session))
        found = zip(sessions, await self._stored(sessions), strict=True)
        opened = [(session, _read(stored)) for session, stored in found]
        return [accounts.Listed(session, created[session], it.expires_ms) for session, it in opened if it]

    async def issue_ticket(self, ticket: bytes, session: bytes, ttl: float) -> int:
        """See the port."""
        return int(await self._client.run(_ISSUE, [self._ticket(ticket)], [session, int(ttl * 1000)]))

    async def redeem_ticket(self, ticket: bytes) -> bytes | None:
        """See the port."""
        session: bytes | None = await self._client.run(_REDEEM, [self._ticket(ticket)])
        return session

    async def allow(self, action: str, address: str, rate: float, burst: int) -> bool:
        """See the port."""
        # Addresses are whatever clients come from; a digest has a bounded length and keeps them out of dumps.
        digest = hashlib.blake2b(address.encode(), digest_size=12).hexdigest()
        return bool(await self._client.run(_ALLOW, [f"{self._prefix}:rate:{action}:{digest}"], [rate, burst]))

    def _list_of(self, user: UserId) -> str:
        return f"{self._prefix}:sessions-of:{user}"

    def _ticket(self, ticket: bytes) -> str:
        return f"{self._prefix}:ticket:{ticket.hex()}"

    def _session(self, session: bytes) -> str:
        return f"{{{self._prefix}:session:{_sixteenth(session):x}}}:{session.hex()}"


def _sixteenth(session: bytes) -> ShardId:
    # A session is a hash already: its first four bits spread them evenly.
    return ShardId(session[0] >> 4 if session else 0)


def _read(stored: bytes | None) -> accounts.Session | None:
    if stored is None:
        return None
    user, ends, name = stored.decode().split(" ", 2)
    return accounts.Session(UserId(int(user)), name, int(ends))
