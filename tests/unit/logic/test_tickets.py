import pytest

from chatcluster.accounts.memory import MemoryAccounts
from chatcluster.core import errors
from chatcluster.logic import tickets
from support.domain import World, session_of


class LosesAnswers(MemoryAccounts):
    """Accounts that store the first ticket without an answer."""

    issued = 0

    async def issue_ticket(self, ticket: bytes, session: bytes, ttl: float) -> int:
        self.issued += 1
        ends = await super().issue_ticket(ticket, session, ttl)
        if self.issued == 1:
            raise errors.OutcomeUnknown
        return ends


async def test_a_ticket_stands_for_its_session(world: World) -> None:
    """Its text is shown once; who knows it gets the session, its user and its end."""
    user, session = await world.user("ann")
    issued = await world.tickets.issue(session)
    redeemed = await world.tickets.redeem(session_of(issued.ticket))

    assert issued.expires_ms == (world.clock.time + 60) * 1000
    assert (redeemed.session, redeemed.user.id, redeemed.user.name) == (session, user, "ann")
    assert redeemed.expires_ms == (world.clock.time + 86_400) * 1000


async def test_a_ticket_serves_once(world: World) -> None:
    """Neither a second time nor when its minute is over."""
    _, session = await world.user("ann")
    used, late = await world.tickets.issue(session), await world.tickets.issue(session)
    await world.tickets.redeem(session_of(used.ticket))
    world.clock.time += 60

    for ticket in (used, late):
        with pytest.raises(errors.SessionEnded):
            await world.tickets.redeem(session_of(ticket.ticket))


async def test_a_ticket_does_not_outlive_its_session(world: World) -> None:
    """Logout counts, whenever the ticket was drawn."""
    _, session = await world.user("ann")
    issued = await world.tickets.issue(session)
    await world.sessions.end(session)

    with pytest.raises(errors.SessionEnded):
        await world.tickets.redeem(session_of(issued.ticket))
    with pytest.raises(errors.SessionEnded):
        await world.tickets.issue(session)


async def test_a_ticket_is_named_by_a_hash(world: World) -> None:
    """Its text never comes this far."""
    with pytest.raises(errors.Invalid):
        await world.tickets.redeem(b"ticket-0")


async def test_a_lost_answer_leaves_one_ticket(world: World) -> None:
    """The same one is stored again, since nobody else knows it."""
    _, session = await world.user("ann")
    store = LosesAnswers(now=world.clock)
    drawn = tickets.Tickets(world.sessions, store, lambda: "the ticket")

    assert (await drawn.issue(session)).ticket == "the ticket"
    assert store.issued == 2
    assert await store.redeem_ticket(session_of("the ticket")) == session
