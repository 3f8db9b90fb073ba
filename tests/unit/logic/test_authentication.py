from typing import TypeVar

import pytest

from chatcluster.accounts import accounts
from chatcluster.accounts.memory import MemoryAccounts
from chatcluster.core import errors
from chatcluster.core.ids import UserId
from chatcluster.logic import authentication, passwords, sessions
from support.domain import World, session_of

_T = TypeVar("_T")


class LosesAnswers(MemoryAccounts):
    """Accounts of which the first creation and the first session are stored, but not answered."""

    lost: frozenset[str] = frozenset()

    async def create(self, name: str, password_hash: str) -> accounts.Account:
        return self._lose("create", await super().create(name, password_hash))

    async def open_session(self, session: bytes, account: accounts.Account, ttl: float) -> accounts.Session:
        return self._lose("open", await super().open_session(session, account, ttl))

    def _lose(self, what: str, answer: _T) -> _T:
        if what not in self.lost:
            self.lost |= {what}
            raise errors.OutcomeUnknown
        return answer


class CannotReplace(MemoryAccounts):
    """Accounts whose server goes away when a hash is replaced."""

    async def replace_hash(self, account: accounts.Account, password_hash: str) -> None:
        raise errors.Unavailable(f"cannot be reached for {account.name} {password_hash}")


class CannotList(MemoryAccounts):
    """Accounts whose server goes away when a user's sessions are asked for."""

    async def listed(self, user: UserId) -> list[accounts.Listed]:
        raise errors.Unavailable(f"cannot be reached for {user}")


async def test_register_opens_a_session(world: World, cheap: passwords.Passwords) -> None:
    """The token opens what is stored by its SHA-256."""
    opened = await world.authentication(cheap).register("ann", "secret", "10.0.0.1")
    session = await world.sessions.require(session_of(opened.token))

    assert (session.user, session.name) == (opened.user.id, "ann")
    assert session.expires_ms == (world.clock.time + 86_400) * 1000


async def test_the_password_is_stored_as_a_hash(world: World, cheap: passwords.Passwords) -> None:
    """What is stored is argon2's text form."""
    await world.authentication(cheap).register("ann", "secret", "")
    account = await world.accounts.by_name("ann")

    assert account
    assert account.password_hash.startswith("$argon2id$")


async def test_login_opens_another_session(world: World, cheap: passwords.Passwords) -> None:
    """The first session stays."""
    auth = world.authentication(cheap)
    first = await auth.register("ann", "secret", "")
    second = await auth.login("ann", "secret", "")

    assert first.token != second.token
    assert first.user == second.user
    assert await world.sessions.ended([session_of(first.token), session_of(second.token)]) == []


async def test_a_taken_name_is_refused(world: World, cheap: passwords.Passwords) -> None:
    """Names are unique, by case."""
    auth = world.authentication(cheap)
    await auth.register("ann", "secret", "")
    await auth.register("Ann", "secret", "")

    with pytest.raises(errors.NameTaken):
        await auth.register("ann", "other", "")


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("bob", "secret"), ("x" * 65, "secret"), ("", "x")])
async def test_wrong_credentials_look_alike(world: World, cheap: passwords.Passwords, name: str, password: str) -> None:
    """A wrong password, an unknown name and a name that nobody can have are one and the same answer."""
    auth = world.authentication(cheap)
    await auth.register("ann", "secret", "")

    with pytest.raises(errors.WrongCredentials) as wrong:
        await auth.login(name, password, "")
    assert str(wrong.value) == str(errors.WrongCredentials())


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "e\u0301"])
async def test_bad_names_are_refused(world: World, cheap: passwords.Passwords, name: str) -> None:
    """A new name is 1-64 characters in NFC without control characters."""
    with pytest.raises(errors.Invalid):
        await world.authentication(cheap).register(name, "secret", "")


@pytest.mark.parametrize("password", ["", "x" * 1025, "ü" * 513])
async def test_bad_passwords_are_refused(world: World, cheap: passwords.Passwords, password: str) -> None:
    """A password has 1 to 1,024 bytes, for registering and for login."""
    auth = world.authentication(cheap)
    for call in (auth.register, auth.login):
        with pytest.raises(errors.Invalid):
            await call("ann", password, "")


async def test_an_address_registers_so_often_only(world: World, cheap: passwords.Passwords) -> None:
    """The eleventh account in a minute waits; another address does not."""
    auth = world.authentication(cheap)
    for number in range(10):
        await auth.register(f"user{number}", "secret", "10.0.0.1")
    with pytest.raises(errors.RateLimited) as limited:
        await auth.register("late", "secret", "10.0.0.1")
    await auth.register("elsewhere", "secret", "10.0.0.2")
    world.clock.time += limited.value.retry_after or 0

    assert (await auth.register("late", "secret", "10.0.0.1")).user.name == "late"


async def test_an_address_tries_so_often_only(world: World, cheap: passwords.Passwords) -> None:
    """Failed logins count, and the limit says nothing of the password."""
    auth = world.authentication(cheap, authentication.Policy(logins=2))
    await auth.register("ann", "secret", "")
    for _ in range(2):
        with pytest.raises(errors.WrongCredentials):
            await auth.login("ann", "guess", "10.0.0.1")

    with pytest.raises(errors.RateLimited):
        await auth.login("ann", "secret", "10.0.0.1")


async def test_no_address_is_not_limited(world: World, cheap: passwords.Passwords) -> None:
    """A caller that knows no address leaves it empty."""
    auth = world.authentication(cheap, authentication.Policy(registrations=1))
    for name in ("ann", "bob"):
        await auth.register(name, "secret", "")

    assert await world.accounts.by_name("bob")


async def test_an_overlong_address_is_refused(world: World, cheap: passwords.Passwords) -> None:
    """What is not an address gets no bucket."""
    with pytest.raises(errors.Invalid):
        await world.authentication(cheap).login("ann", "secret", "1" * 65)


async def test_login_strengthens_an_outdated_hash(world: World, cheap: passwords.Passwords) -> None:
    """After the cost was raised, the next login stores a hash at the new cost."""
    await world.authentication(cheap).register("ann", "secret", "")
    stronger = passwords.Passwords(passwords.Cost(memory=16, passes=1))
    await world.authentication(stronger).login("ann", "secret", "")
    account = await world.accounts.by_name("ann")
    assert account
    outdated, matches = (
        stronger.is_outdated(account.password_hash),
        await stronger.matches(account.password_hash, "secret"),
    )
    stronger.close()

    assert not outdated
    assert matches


async def test_a_hash_that_cannot_be_replaced_stops_no_login(world: World, cheap: passwords.Passwords) -> None:
    """The user is let in, and the next login tries again."""
    world.accounts = CannotReplace(now=world.clock)
    await world.authentication(cheap).register("ann", "secret", "")
    stronger = passwords.Passwords(passwords.Cost(memory=16, passes=1))
    opened = await world.authentication(stronger).login("ann", "secret", "")
    stronger.close()

    assert opened.user.name == "ann"


async def test_lost_answers_are_asked_for_again(world: World, cheap: passwords.Passwords) -> None:
    """An account and a session that were stored without an answer are found by the repetition."""
    world.accounts = LosesAnswers(now=world.clock)
    opened = await world.authentication(cheap).register("ann", "secret", "")
    session = await world.accounts.session(session_of(opened.token))

    assert session
    assert session.user == opened.user.id


async def test_one_session_too_many_ends_the_oldest(world: World, cheap: passwords.Passwords) -> None:
    """A login always opens one."""
    auth = world.authentication(cheap)
    first = await auth.register("ann", "secret", "")
    for number in range(sessions.MAX_OPEN - 1):
        world.clock.time += 1
        await world.accounts.open_session(session_of(f"device {number}"), first.user, 86_400)
    world.clock.time += 1
    last = await auth.login("ann", "secret", "")

    assert await world.sessions.ended([session_of(first.token), session_of("device 0")]) == [session_of(first.token)]
    assert (await world.sessions.require(session_of(last.token))).user == first.user.id


async def test_old_sessions_that_cannot_be_ended_stop_no_login(cheap: passwords.Passwords) -> None:
    """The next one tries again."""
    world = World()
    world.sessions = sessions.Sessions(CannotList(now=world.clock), world.log)
    opened = await world.authentication(cheap).register("ann", "secret", "")

    assert await world.accounts.session(session_of(opened.token))
