import pytest

from chatcluster.accounts import accounts
from chatcluster.accounts.memory import MemoryAccounts
from chatcluster.core import errors, ids
from chatcluster.logic import sessions
from support.domain import World, session_of


class Away(MemoryAccounts):
    """Accounts whose server cannot be reached."""

    async def session(self, session: bytes) -> accounts.Session | None:
        raise errors.Unavailable(f"cannot be reached for {session!r}")


class LosesAnswers(MemoryAccounts):
    """Accounts whose first revocation is done, but not answered."""

    lost = False

    async def revoke(self, session: bytes) -> accounts.Session | None:
        found = await super().revoke(session)
        if not self.lost:
            self.lost = True
            raise errors.OutcomeUnknown
        return found


async def test_an_open_session_has_a_user(world: World) -> None:
    """The session says whose it is."""
    user, session = await world.user("ann")
    found = await world.sessions.require(session)

    assert (found.user, found.name) == (user, "ann")


async def test_an_unknown_session_has_ended(world: World) -> None:
    """The store's own answer is the only reason to say so."""
    with pytest.raises(errors.SessionEnded):
        await world.sessions.require(session_of("nobody"))


async def test_a_store_that_is_away_ends_no_session(world: World) -> None:
    """Who cannot be asked is not taken for a no."""
    found = sessions.Sessions(Away(now=world.clock), world.log)
    with pytest.raises(errors.Unavailable):
        await found.require(session_of("ann"))


async def test_a_session_ends_by_itself(world: World) -> None:
    """After its time it is as if it had never been."""
    _, session = await world.user("ann")
    world.clock.time += 86_401
    with pytest.raises(errors.SessionEnded):
        await world.sessions.require(session)


@pytest.mark.parametrize("session", [b"", b"x" * 31, b"x" * 33])
async def test_what_is_no_hash_is_no_session(world: World, session: bytes) -> None:
    """A session has 32 bytes, wherever it is named."""
    for call in (world.sessions.require, world.sessions.end):
        with pytest.raises(errors.Invalid):
            await call(session)
    with pytest.raises(errors.Invalid):
        await world.sessions.ended([session])


async def test_ended_names_those_that_are_over(world: World) -> None:
    """Of many sessions, the ones that nobody has any more."""
    _, session = await world.user("ann")

    assert await world.sessions.ended([session, session_of("gone")]) == [session_of("gone")]


async def test_at_most_a_thousand_are_looked_up(world: World) -> None:
    """One more is refused before anything is asked."""
    many = [session_of(str(number)) for number in range(1001)]

    assert len(await world.sessions.ended(many[:1000])) == 1000
    with pytest.raises(errors.Invalid):
        await world.sessions.ended(many)


async def test_logout_revokes_and_closes(world: World) -> None:
    """The session is over, and the gateways of the user's inbox are told to close its connections."""
    user, session = await world.user("ann")
    await world.sessions.end(session)
    orders = [entry.control for entry in world.dispatched(ids.inbox(user))]

    assert await world.sessions.ended([session]) == [session]
    assert [(order.room, order.revoke_session) for order in orders if order] == [(ids.inbox(user), session)]


async def test_logout_leaves_other_sessions(world: World) -> None:
    """Another device stays logged in."""
    user, session = await world.user("ann")
    other = session_of("ann's phone")
    await world.accounts.open_session(other, accounts.Account(user, "ann", ""), 60)
    await world.sessions.end(session)

    assert (await world.sessions.require(other)).user == user


async def test_logout_of_what_is_gone_does_nothing(world: World) -> None:
    """It is as the user wished already."""
    user, session = await world.user("ann")
    await world.sessions.end(session)
    await world.sessions.end(session)

    assert len(world.dispatched(ids.inbox(user))) == 1


async def test_a_lost_answer_still_closes_connections(world: World) -> None:
    """A revocation that was done without an answer is repeated, and the order follows."""
    store = LosesAnswers(now=world.clock)
    account = await store.create("ann", "hash")
    await store.open_session(session_of("ann"), account, 60)
    await sessions.Sessions(store, world.log).end(session_of("ann"))

    assert await store.session(session_of("ann")) is None
    assert len(world.dispatched(ids.inbox(account.id))) == 1
