"""People chat on a real cluster while it is scaled, upgraded, given an image that does not work, and left alone.

Whatever happens, nothing that was acknowledged is lost, doubled or out of order, and nearly everything is acknowledged:
`traffic.chatting` sees to that at its end.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from chatcluster_operator.spec import COMPONENTS
from support import traffic
from support.checker import acknowledged
from support.cluster import images
from support.cluster.cluster import Cluster
from support.eventually import eventually
from support.installation import Installation
from support.rounds import ACKNOWLEDGED

PUBLISHED = {"side": "server", "method": "Publish"}
API_SERVER = "kube-apiserver"


@pytest.fixture
def outage(request: pytest.FixtureRequest) -> float:
    """Return how long the API server is away: 60 s with --full, else 15, which ends every watch too."""
    return 60.0 if request.config.getoption("--full") else 15.0


@pytest.mark.usefixtures("release")
async def test_scaling_loses_nothing(own_cluster: Cluster, figure: Callable[[str], None]) -> None:
    """Gateways 1 -> 4 -> 1 and logics 1 -> 3 -> 1: new ones get work, and nobody else is restarted for that."""
    async with traffic.running(own_cluster) as site:
        before = await site.lives("task", "api")
        async with traffic.chatting(site, figure, members=traffic.MEMBERS // 2) as load:
            await site.scale(site.resource, 4)
            await site.change(logic={"replicas": 3})
            await site.becomes("Ready")
            await load.join(rooms=traffic.ROOMS, members=traffic.MEMBERS // 2)
            await site.all_work("connect", "chat_deliveries_total")
            await site.all_work("logic", "chat_rpc_latency_seconds_count", **PUBLISHED)

            await site.scale(site.resource, 1)
            await site.change(logic={"replicas": 1})
            await site.has(connect=1, logic=1)
        assert await site.lives("task", "api") == before


@pytest.mark.full
@pytest.mark.usefixtures("release")
async def test_an_upgrade_loses_nothing(
    own_cluster: Cluster, product_images: dict[str, str], figure: Callable[[str], None]
) -> None:
    """A later image: every program is replaced, one after another, the next when the last runs nothing else."""
    later = f"{product_images['services']}-later"
    own_cluster.tag(product_images["services"], later)
    async with traffic.running(own_cluster, connect={"replicas": 2}) as site:
        async with traffic.chatting(site, figure):
            before = time.monotonic()
            await site.change(image=later)
            await site.becomes("Ready")
            figure(f"{time.monotonic() - before:.0f} s for the upgrade of all programs")
            await site.has(task=1, logic=1, api=1, connect=2)
        seen = traffic.rollouts(site.kubectl, site.name)
        assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(seen[each] for each in COMPONENTS))
        for component in COMPONENTS:
            assert {pod["spec"]["containers"][0]["image"] for pod in await site.pods(component)} == {later}


@pytest.mark.usefixtures("release")
async def test_an_image_that_does_not_start_stops_at_the_first_program(
    own_cluster: Cluster, figure: Callable[[str], None]
) -> None:
    """Status says why; the others run on, are scaled and repaired; with the old image set again all is well."""
    async with traffic.running(own_cluster) as site:
        before = await site.lives("logic", "api", "connect")
        async with traffic.chatting(site, figure):
            await site.change(image=images.VALKEY)
            problem = await site.becomes("Degraded")
            assert f"pod {site.name}-task-" in problem["message"]
            assert "No module named 'chatcluster'" in problem["message"]

            await site.scale(site.resource, 2)
            await spoil(site)
            await site.has(connect=2, logic=1)
            assert before < await site.lives("logic", "api", "connect")

            await site.change(image=None)
            await site.becomes("Ready")
            await site.becomes("Degraded", "False")
        assert before < await site.lives("logic", "api", "connect")


@pytest.mark.full
async def test_people_do_not_notice_that_the_api_server_is_away(
    own_cluster: Cluster, release: Installation, outage: float, figure: Callable[[str], None]
) -> None:
    """Messages flow, no child is deleted, and afterwards operator, api and gateways follow changes by themselves."""
    operator = release.lives()
    async with traffic.running(own_cluster) as site:
        children, loop = await site.children(), asyncio.get_running_loop()
        async with traffic.chatting(site, figure) as load:
            began = loop.time()
            async with stopped(own_cluster, API_SERVER):
                await asyncio.sleep(outage)
            ended = loop.time()

            await site.change(logic={"replicas": 2})
            await site.becomes("Ready")
            await site.all_work("logic", "chat_rpc_latency_seconds_count", **PUBLISHED)
            figure(f"{loop.time() - ended:.0f} s until the operator and all programs followed a change")
        assert acknowledged([sent for sent in load.sent if began <= sent.at < ended]) >= ACKNOWLEDGED
        assert (await site.children()).items() >= children.items()
        assert release.lives() == operator


async def spoil(site: traffic.Site) -> None:
    """Change and delete children by hand, and wait until they are what they were."""
    name = f"{site.name}-logic"
    await site.scale(f"deployment/{name}", 3)
    await site.api.delete("NetworkPolicy", name)

    async def restored() -> bool:
        policy, deployment = await site.api.get("NetworkPolicy", name), await site.api.get("Deployment", name)
        return bool(policy) and deployment["spec"]["replicas"] == 1

    await eventually(restored, within=70, every=0.5, what="repair of what was done by hand")


@asynccontextmanager
async def stopped(cluster: Cluster, daemon: str) -> AsyncIterator[None]:
    """Have one of the cluster's processes stopped as long as the block, and the API server ready after it."""
    await asyncio.to_thread(cluster.stop, daemon)
    try:
        yield
    finally:
        await asyncio.to_thread(cluster.start, daemon)
        await eventually(lambda: asyncio.to_thread(cluster.kubectl.ready), within=60, every=0.5)
