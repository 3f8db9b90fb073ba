"""Everything that an object was while a test went on: a look now and then would miss what was put right in between."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.cluster.kubectl import Kubectl
from support.cluster.tools import kubernetes
from support.eventually import eventually

_REPLICAS = '--output=jsonpath={.spec.replicas}{"\\n"}'


@asynccontextmanager
async def replicas(kubectl: Kubectl, deployment: str) -> AsyncIterator[list[int]]:
    """Watch how many pods a Deployment should have; yields the list of these numbers, to which each new one is added.

    The first one is the present number. Numbers that follow are each from one version of the object.
    """
    place = (f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={kubectl.namespace}")
    command = (kubernetes("kubectl"), *place, "get", "deployment", deployment, "--watch", _REPLICAS)
    watch = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    found: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_collect(watch, found))
        try:
            await eventually(lambda: found, within=30, what=f"watch of {deployment}")
            yield found
        finally:
            watch.kill()
            await watch.wait()


async def _collect(watch: asyncio.subprocess.Process, found: list[int]) -> None:
    assert watch.stdout
    while line := await watch.stdout.readline():
        found.append(int(line))


def steps(numbers: list[int]) -> list[int]:
    """Return numbers without repetitions of what was there already."""
    return [number for number, _ in itertools.groupby(numbers)]
