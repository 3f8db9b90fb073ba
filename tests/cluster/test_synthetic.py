"""The synthetic user on a real Kubernetes: whatever is broken is named, and a rollout stops where messages get lost."""

import base64
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from support import traffic
from support.cluster import images
from support.cluster.cluster import Cluster
from support.cluster.kubectl import Manifest
from support.traffic import Site

WITHIN = 30.0
"""Seconds for the condition to turn to no."""


@pytest.mark.usefixtures("release")
async def test_whatever_is_broken_is_named(own_cluster: Cluster, figure: Callable[[str], None]) -> None:
    """By the condition Delivering within 30 s; and when it works again, so it says."""
    async with traffic.running(own_cluster, connect={"replicas": 2}) as site:
        await site.becomes("Delivering")
        for component, culprit in (("task", "task: "), ("logic", "logic: "), ("api", "api: ")):
            async with hung(await site.pods(component)):
                await named(site, culprit, figure)
            await site.becomes("Delivering")

        first, _ = await site.pods("connect")
        async with hung([first]):
            await named(site, f"gateway {first['status']['podIP']}:7000: ", figure)
        await site.becomes("Delivering")

        async with full(site):
            await named(site, "Redis: ", figure)
        await site.becomes("Delivering")
        await site.becomes("Ready")


@pytest.mark.usefixtures("release")
async def test_an_image_whose_task_drops_messages_stops_there(
    own_cluster: Cluster, figure: Callable[[str], None]
) -> None:
    """All its pods are ready, and yet nothing else gets it; status says why. With the old image all is well again."""
    own_cluster.load(images.dropping())
    async with traffic.running(own_cluster) as site:
        await site.becomes("Delivering")
        before = await site.lives("logic", "api", "connect", "synthetic")

        began = time.monotonic()
        await site.change(image=images.DROPPING)
        told = await site.becomes("Degraded", reason="RolloutStopped")
        figure(f"{time.monotonic() - began:.0f} s from the change of an image to its stop: {told['message']}")

        assert told["message"].startswith("the rollout stops after task,")
        assert "task: messages are stored" in told["message"]
        assert {image_of(pod) for pod in await site.pods("task")} == {images.DROPPING}
        await site.change(image=None)
        await site.becomes("Delivering")
        await site.becomes("Ready")
        assert await site.lives("logic", "api", "connect", "synthetic") == before


async def named(site: Site, culprit: str, figure: Callable[[str], None]) -> None:
    """Wait until the condition names somebody."""
    began = time.monotonic()
    told: Any = await site.api.becomes(site.name, "Delivering", "False", within=WITHIN)
    figure(f"{time.monotonic() - began:.0f} s until it was told: {told['message']}")
    assert told["message"].startswith(culprit), told


def image_of(pod: Manifest) -> str:
    """Return what a pod's only container runs."""
    [container] = pod["spec"]["containers"]
    return str(container["image"])


@asynccontextmanager
async def hung(pods: Iterable[Manifest]) -> AsyncIterator[None]:
    """Have the programs of pods stand still (SIGSTOP) as long as the block: they keep their connections."""
    held = [process for pod in pods for process in processes(pod["metadata"]["uid"])]
    assert held, "no process of these pods is here"
    for process in held:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in held:
            with suppress(ProcessLookupError):  # its kubelet may have lost patience
                os.kill(process, signal.SIGCONT)


def processes(uid: str) -> Iterator[int]:
    """Yield the processes of our programs in a pod, by its control group: the nodes of the cluster are this machine."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            group, command = (path / "cgroup").read_text(), (path / "cmdline").read_text()
            if uid in group.replace("_", "-") and "chatcluster." in command:
                yield int(path.name)


@asynccontextmanager
async def full(site: Site) -> AsyncIterator[None]:
    """Have Redis take nothing more as long as the block."""
    secret = await site.api.get("Secret", f"{site.name}-redis")
    password = base64.b64decode(secret["data"]["password"]).decode()
    async with redis.asyncio.Redis(
        host=await site.address("redis"), password=password, decode_responses=True
    ) as client:
        before = str((await client.config_get("maxmemory"))["maxmemory"])
        await client.config_set("maxmemory", "1")
        try:
            yield
        finally:
            await client.config_set("maxmemory", before)
