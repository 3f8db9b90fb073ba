from typing import Any

import pytest

from chatcluster.accounts import accounts
from chatcluster.accounts.memory import MemoryAccounts
from chatcluster.core import errors, ids
from chatcluster.logic import sessions
from chatcluster.v1 import logic_pb2
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


async def test_a_user_sees_the_open_sessions(world: World) -> None:
    """Each by a part of its hash, the newest first, with the asking one marked."""
    user, session = await world.user("ann")
    world.clock.time += 10
    other = session_of("ann's phone")
    await world.accounts.open_session(other, accounts.Account(user, "ann", ""), 60)
    await world.user("bob")

    listed = await world.sessions.listed(session)

    assert [(found.id, found.current) for found in listed] == [(other.hex()[:16], False), (session.hex()[:16], True)]
    assert [found.expires_ms - found.created_ms for found in listed] == [60_000, 86_400_000]


@pytest.mark.parametrize(
    ("which", "left"),
    [
        ({"id": session_of("phone").hex()[:16]}, {"ann", "laptop"}),
        ({"id": session_of("ann").hex()[:16]}, {"phone", "laptop"}),
        ({"others": True}, {"ann"}),
        ({"all": True}, set()),
    ],
)
async def test_sessions_are_ended_with_their_connections(world: World, which: dict[str, Any], left: set[str]) -> None:
    """One, all, or all others: none of another user, and the asking one last."""
    user, session = await world.user("ann")
    _, strange = await world.user("bob")
    names = ["ann", "phone", "laptop"]
    for name in names[1:]:
        await world.accounts.open_session(session_of(name), accounts.Account(user, "ann", ""), 60)

    ended = await world.sessions.end_some(logic_pb2.EndSessionsRequest(session=session, **which))

    over = await world.sessions.ended([session_of(name) for name in names] + [strange])
    orders = [entry.control.revoke_session for entry in world.dispatched(ids.inbox(user)) if entry.control]
    assert {name for name in names if session_of(name) not in over} == left
    assert strange not in over
    assert ended == len(orders) == 3 - len(left)
    assert set(orders) == set(over)
    assert session not in orders[:-1]


async def test_only_ones_own_sessions_can_be_ended(world: World) -> None:
    """Another user's is not found; which ones are meant has to be said."""
    _, session = await world.user("ann")
    _, strange = await world.user("bob")

    with pytest.raises(errors.NotFound):
        await world.sessions.end_some(logic_pb2.EndSessionsRequest(session=session, id=strange.hex()[:16]))
    with pytest.raises(errors.Invalid):
        await world.sessions.end_some(logic_pb2.EndSessionsRequest(session=session))
    assert await world.sessions.ended([session, strange]) == []


async def test_a_user_has_so_many_sessions(world: World) -> None:
    """One more ends the oldest, with its connections."""
    user, session = await world.user("ann")
    for number in range(sessions.MAX_OPEN):
        world.clock.time += 1
        await world.accounts.open_session(session_of(str(number)), accounts.Account(user, "ann", ""), 86_400)

    await world.sessions.make_room(user)

    assert await world.sessions.ended([session, session_of("0")]) == [session]
    assert [entry.control.revoke_session for entry in world.dispatched(ids.inbox(user)) if entry.control] == [session]
