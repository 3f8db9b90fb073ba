"""A ChatCluster with real pods in a namespace of a test's own, and the one person who uses it.

Owns how small it is, and what there is of it in the cluster. Does not own the operator: a release of the chart runs
(`traffic.installed`).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from chatcluster_operator import names
from support import traffic
from support.cluster.kubectl import Kubectl
from support.eventually import eventually
from support.operating import Api
from support.rest import Api as Rest

NAME = "demo"
DRAIN, MARGIN = 3, 30
"""Seconds: a gateway's drain window, and what the rest of a deletion may take besides."""
CONNECT: Mapping[str, Any] = {"replicas": 1, "drainSeconds": DRAIN}
SPEC: Mapping[str, Any] = {**traffic.SPEC, "connect": CONNECT}
ROOM = "/v1/rooms/room:7/messages"


@asynccontextmanager
async def site(kubectl: Kubectl, **changed: Any) -> AsyncIterator[traffic.Site]:
    """Yield a ChatCluster that is ready, of `SPEC` with fields changed; its end is the namespace's."""
    api = Api(kubectl.kubeconfig, kubectl.namespace)
    try:
        found = traffic.Site(NAME, api, kubectl)
        await make(found, **changed)
        yield found
    finally:
        api.close()


async def make(site: traffic.Site, **changed: Any) -> None:
    """Make the ChatCluster, or make it anew, and wait until it is ready."""
    await site.api.chatcluster(site.name, {**SPEC, **changed})
    await site.becomes("Ready")


async def left(site: traffic.Site) -> list[str]:
    """Return what there is of it, its volume left out: every child, both Secrets, every pod."""
    found = [*await site.children()]
    pods = [("Pod", pod["metadata"]["name"]) for pod in await site.listed("Pod")]
    secrets = [("Secret", f"{site.name}-{part}") for part in ("cluster", names.REDIS)]
    there = [(kind, name) for kind, name in secrets if await site.api.get(kind, name)]
    return [f"{kind} {name}" for kind, name in (*found, *pods, *there)]


async def delete(site: traffic.Site, *, within: float = DRAIN + MARGIN) -> None:
    """Delete the ChatCluster, and wait until nothing of it is left but its volume."""
    await site.api.delete(names.KIND, site.name)

    async def is_gone() -> bool:
        assert await left(site) == []
        return True

    await eventually(is_gone, within=within, every=0.5, what=f"{site.name} is gone")


async def claim(site: traffic.Site) -> Any:
    """Return the claim of its volume, None if there is none."""
    return await site.api.get("PersistentVolumeClaim", f"data-{site.name}-redis-0")


@asynccontextmanager
async def rest(site: traffic.Site) -> AsyncIterator[Rest]:
    """Yield its REST api, as a client inside of the cluster reaches it."""
    async with Rest(f"http://{await site.address('api')}:{names.PORTS['api']}") as found:
        yield found
