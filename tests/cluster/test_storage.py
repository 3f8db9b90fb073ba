"""The volume of the managed Redis grows on a real cluster, under the server that writes to it."""

from typing import Any

from chatcluster_operator import names
from support import ground, traffic
from support.cluster.kubectl import Kubectl
from support.eventually import eventually
from support.ground import ROOM
from support.installation import Installation


def redis(size: str) -> dict[str, Any]:
    """Return a spec of a managed Redis whose volume goes with it."""
    return {"managed": {"retention": "Delete", "storage": {"size": size}}}


async def test_a_volume_grows_under_a_server_that_runs_on(release: Installation, namespace: Kubectl) -> None:
    """The set is another one, pod and data are the same; and what becomes of the volume in the end is not forgotten."""
    async with ground.site(namespace, redis=redis("1Gi")) as site, ground.rest(site) as rest:
        ada = await rest.register("ada")
        for number in range(20):
            assert (await rest.publish(ada, ROOM, f"message-{number}")).status == 201
        lives, before = await site.lives(names.REDIS, "logic", "task"), await site.api.get("StatefulSet", "demo-redis")

        await site.change(redis=redis("2Gi"))
        await site.becomes("Ready")

        await eventually(lambda: has_grown(site), within=60, every=0.5)
        after = await site.api.get("StatefulSet", "demo-redis")
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert await site.lives(names.REDIS, "logic", "task") == lives
        assert [text for _, text in (await rest.read(ada, ROOM, ("", 0)))[2]] == [f"message-{n}" for n in range(20)]

        await ground.delete(site)
        await eventually(lambda: is_gone(site), within=30, every=0.5)


async def test_a_volume_that_was_left_behind_grows_to_what_its_heir_wants(
    release: Installation, namespace: Kubectl
) -> None:
    """It is adopted with what it holds, however small it is."""
    kept = {"managed": {"storage": {"size": "1Gi"}}}
    async with ground.site(namespace, redis=kept) as site:
        await ground.delete(site)

        await ground.make(site, redis={"managed": {"storage": {"size": "2Gi"}}})

        await eventually(lambda: has_grown(site), within=30, every=0.5)


async def is_gone(site: traffic.Site) -> bool:
    """Whether there is no volume of it."""
    return await ground.claim(site) is None


async def has_grown(site: traffic.Site) -> bool:
    """Whether its volume has two gibibytes."""
    claim = await ground.claim(site)
    return bool(claim["status"]["capacity"]["storage"] == "2Gi")
