import itertools

from chatcluster.connect.lease import INTERVAL, RETRY, Lease, Listeners
from chatcluster.connect.logic import Logic
from chatcluster.core import errors, health
from chatcluster.core.ids import Incarnation
from support.domain import World
from support.gateway import LogicInMemory

ADDRESS = "127.0.0.1:6912"


class Gateway:
    """A lease, and what it told."""

    def __init__(self, world: World, name: str = "gw") -> None:
        self.world = world
        self.logic = LogicInMemory(world)
        self.dependency = health.Dependency()
        numbers = itertools.count(1)
        self.lease = Lease(
            Logic(self.logic), lambda: Incarnation(f"{name}/{next(numbers)}"), world.clock, self.dependency
        )
        self.replaced: list[str] = []
        self.deaths = 0
        self._address = f"127.0.0.1:{6912 + hash(name) % 1000}"

    async def renew(self) -> float:
        """Renew once."""
        return await self.lease.renew(self._address, Listeners(self.replaced.append, self._count))

    def _count(self) -> None:
        self.deaths += 1


async def test_lease_is_taken_and_renewed() -> None:
    """Under one incarnation, every five seconds; readiness waits for the first."""
    gateway = Gateway(World())
    before = gateway.lease.is_held, gateway.dependency.ever_reached
    pauses = []
    for _ in range(10):
        pauses.append(await gateway.renew())
        assert gateway.lease.is_held
        gateway.world.clock.time += INTERVAL

    assert before == (False, False)
    assert pauses == [INTERVAL] * 10
    assert gateway.dependency.ever_reached
    assert list(await gateway.world.presence.gateways()) == ["gw/1"]
    assert gateway.replaced == []


async def test_renewal_that_fails_is_repeated() -> None:
    """The lease outlives a short absence of logic, under the same incarnation."""
    gateway = Gateway(World())
    await gateway.renew()
    gateway.world.clock.time += INTERVAL
    gateway.logic.failure = errors.OutcomeUnknown()
    pause = await gateway.renew()
    held = gateway.lease.is_held
    gateway.logic.failure = None
    await gateway.renew()

    assert (pause, held) == (RETRY, True)
    assert gateway.lease.incarnation == "gw/1"


async def test_lease_that_lapsed_never_comes_back() -> None:
    """By its own clock, before anybody says so: the gateway takes a new incarnation and tells its parts."""
    gateway = Gateway(World())
    await gateway.renew()
    gateway.logic.failure = errors.Unavailable()
    gateway.world.clock.time += 60
    held = gateway.lease.is_held
    await gateway.renew()
    gateway.logic.failure = None
    await gateway.renew()

    assert not held
    assert gateway.replaced == ["gw/2"]
    assert list(await gateway.world.presence.gateways()) == ["gw/2"]


async def test_lease_that_others_ended_is_replaced() -> None:
    """Redis may forget it, or another gateway may take the address: then logic says that it is not held."""
    gateway = Gateway(World())
    await gateway.renew()
    await gateway.world.presence.release(Incarnation("gw/1"))
    gateway.world.clock.time += INTERVAL
    pause = await gateway.renew()
    await gateway.renew()

    assert pause == 0.0
    assert gateway.replaced == ["gw/2"]
    assert gateway.lease.is_held


async def test_death_of_another_gateway_is_told() -> None:
    """Once, so that presence is told anew; one's own changes and newcomers are no deaths."""
    world = World()
    gateway, other = Gateway(world), Gateway(world, "other")
    await gateway.renew()
    await other.renew()
    await gateway.renew()
    both = gateway.deaths
    for _ in range(4):
        world.clock.time += INTERVAL
        await gateway.renew()

    assert both == 0
    assert gateway.deaths == 1


async def test_release_ends_it_for_all() -> None:
    """And does no harm when logic is away."""
    gateway = Gateway(World())
    await gateway.renew()
    await gateway.lease.release()
    gone = list(await gateway.world.presence.gateways())
    gateway.logic.failure = errors.Unavailable()
    await gateway.lease.release()

    assert gone == []
