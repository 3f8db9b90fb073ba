"""ChatClusters and namespaces are deleted on a real cluster: all goes in time, and data go or stay as was said."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from chatcluster_operator import names
from support import ground
from support.canaries import PASSWORD
from support.cluster.cluster import Cluster
from support.cluster.kubectl import Kubectl
from support.eventually import eventually
from support.ground import ROOM
from support.installation import Installation
from support.traffic import Site

RETENTION = {"Retain": {"managed": {"retention": "Retain"}}, "Delete": {"managed": {"retention": "Delete"}}}
OPERATOR = "deployment/chatcluster-operator"


@pytest.fixture
async def site(release: Installation, namespace: Kubectl) -> AsyncIterator[Site]:
    """Yield a ChatCluster that is ready."""
    async with ground.site(namespace) as site:
        yield site


async def test_what_is_deleted_goes_and_its_data_wait_for_the_next_of_its_name(
    site: Site, figure: Callable[[str], None]
) -> None:
    """Every child within the drain window and 30 s; whoever had an account has it in the ChatCluster after that."""
    async with ground.rest(site) as rest:
        ada = await rest.register("ada")
        assert (await rest.publish(ada, ROOM, "before")).status == 201
    before = await ground.claim(site)

    began = time.monotonic()
    await ground.delete(site)
    figure(f"{time.monotonic() - began:.1f} s until nothing was left, drain window {ground.DRAIN} s")
    kept = await ground.claim(site)
    await ground.make(site)

    assert kept["metadata"]["uid"] == before["metadata"]["uid"]
    assert "deletionTimestamp" not in kept["metadata"]
    assert (await ground.claim(site))["metadata"]["uid"] == before["metadata"]["uid"]
    async with ground.rest(site) as rest:
        assert await rest.gochat("/user/login", userName="ada", passWord=PASSWORD)
        assert await texts(rest) == ["before"]


async def test_a_volume_that_is_not_to_be_kept_goes_too(release: Installation, namespace: Kubectl) -> None:
    """With its data; the next ChatCluster of that name, made at once, begins with nothing."""
    async with ground.site(namespace, redis=RETENTION["Delete"]) as site:
        async with ground.rest(site) as rest:
            await rest.register("ada")
        before = await ground.claim(site)

        await site.api.delete(names.KIND, site.name)
        await ground.make(site, redis=RETENTION["Delete"])

        assert (await ground.claim(site))["metadata"]["uid"] != before["metadata"]["uid"]
        async with ground.rest(site) as rest:
            await rest.register("ada")


@pytest.mark.parametrize(("first", "then"), [("Retain", "Delete"), ("Delete", "Retain")])
async def test_what_was_said_last_of_the_volume_counts(
    release: Installation, namespace: Kubectl, first: str, then: str
) -> None:
    """As soon as the ChatCluster says that it is ready; also when the operator was not there to see it said."""
    async with ground.site(namespace, redis=RETENTION[first]) as site:
        await run(release, 0)
        await site.change(redis=RETENTION[then])
        await run(release, 1)
        await site.becomes("Ready")

        await ground.delete(site)

        await eventually(lambda: is_kept(site, then == "Retain"), within=30, every=0.5)


async def test_a_namespace_goes_with_all_that_is_in_it(
    own_cluster: Cluster, release: Installation, figure: Callable[[str], None]
) -> None:
    """Nothing of a ChatCluster holds it up, its volume included; and the operator stays well."""
    kubectl, before = Kubectl(own_cluster.kubeconfig, f"test-{uuid.uuid4().hex[:10]}"), release.lives()
    kubectl("create", "namespace", kubectl.namespace)
    async with ground.site(kubectl):
        began = time.monotonic()
        within = ground.DRAIN + 2 * ground.MARGIN
        await asyncio.to_thread(kubectl, "delete", "namespace", kubectl.namespace, "--wait", within=within)
        figure(f"{time.monotonic() - began:.1f} s until the namespace was gone, drain window {ground.DRAIN} s")
    assert release.lives() == before


async def run(release: Installation, replicas: int) -> None:
    """Take the operator away, or bring it back."""
    place = f"--namespace={release.namespace}"
    await asyncio.to_thread(release.kubectl, "scale", place, OPERATOR, f"--replicas={replicas}")
    await asyncio.to_thread(release.kubectl, "rollout", "status", place, OPERATOR)


async def is_kept(site: Site, wanted: bool) -> bool:
    """Whether there is a claim of its volume as it is wanted."""
    return (await ground.claim(site) is not None) is wanted


async def texts(rest: Any) -> list[str]:
    """Return what stands in the room, as a new account reads it."""
    _, _, entries = await rest.read(await rest.register(uuid.uuid4().hex[:8]), ROOM, ("", 0))
    return [text for _, text in entries]
