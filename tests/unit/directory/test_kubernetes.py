import asyncio
from pathlib import Path

from chatcluster.core import health
from chatcluster.directory.apiserver import Account, Patience, Target
from chatcluster.directory.kubernetes import KubernetesDirectory
from chatcluster.directory.settings import Settings
from chatcluster.directory.view import View
from support.eventually import eventually


async def test_before_the_first_list_nothing_is_known_and_nothing_is_ready(tmp_path: Path) -> None:
    """A pod whose service account cannot be read says so, does not become ready, and goes on trying."""
    readiness = health.Readiness()
    settings = Settings(Target("https://127.0.0.1:1", "chat", "demo-logic"), "grpc", Account(tmp_path))
    directory = KubernetesDirectory(settings, Patience(), View(), lambda: 0.0, lambda: 0.0)
    following = asyncio.create_task(directory.follow(readiness))
    await eventually(lambda: "ca.crt" in str(readiness.detail()))

    assert not readiness.ready
    assert directory.endpoints() == frozenset()
    assert await anext(directory.changes()) == frozenset()
    assert not following.done()
    following.cancel()
