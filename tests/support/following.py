"""A directory that follows a stand-in for the API server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import prometheus_client

from chatcluster.core import health
from chatcluster.directory import apiserver
from chatcluster.directory.kubernetes import KubernetesDirectory
from chatcluster.directory.settings import Settings
from chatcluster.directory.view import View
from support.apiserver import (
    NAMESPACE,
    SERVICE,
    ScriptedApiserver,
    Watch,
)
from support.eventually import eventually

SILENCE = 1.0
"""Seconds of silence after which a watch counts as stalled here."""
KEEP = 1.0
"""Seconds that a missing endpoint is kept here."""


class Clock:
    """The loop's time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


class Followed:
    """A directory that follows a stand-in."""

    def __init__(self, server: ScriptedApiserver, account: Path, *, staying: bool = False) -> None:
        self.server = server
        self.account = account
        self.clock = Clock()
        self.readiness = health.Readiness()
        self.dependency = self.readiness.dependency("directory")
        target = apiserver.Target(server.url, NAMESPACE, SERVICE)
        self.directory = KubernetesDirectory(
            Settings(target, "grpc", apiserver.Account(account), staying),
            apiserver.Patience(connecting=SILENCE, page=SILENCE, silence=SILENCE),
            View(0 if staying else KEEP),
            self.clock,
            lambda: 0.0,
        )

    async def knows(self, *addresses: str) -> None:
        """Wait until it knows exactly these."""
        wanted = {f"{address}:6900" for address in addresses}
        await eventually(lambda: self.directory.endpoints() == wanted, what=f"{wanted} in the directory")

    async def watch(self) -> Watch:
        """Wait for its watch."""
        await eventually(lambda: self.server.watches, what="a watch")
        return self.server.watches[-1]


@asynccontextmanager
async def following(followed: Followed) -> AsyncIterator[Followed]:
    """Have a directory follow as long as the block."""
    task = asyncio.create_task(followed.directory.follow(followed.readiness))
    yield followed
    assert not task.done(), "nothing may end it"
    task.cancel()
    await asyncio.wait([task])


def counted(metric: str, **labels: str) -> float:
    """What a metric says now."""
    return prometheus_client.REGISTRY.get_sample_value(f"chat_directory_{metric}", labels) or 0.0
