"""The directory over Kubernetes on a real API server, as a service account that may do nothing but look at slices."""

import asyncio
import base64
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import prometheus_client
import pytest

from chatcluster.core import health
from chatcluster.directory.apiserver import Account, Patience, Target
from chatcluster.directory.kubernetes import KubernetesDirectory
from chatcluster.directory.settings import Settings
from chatcluster.directory.view import View
from support.apiserver import SERVICE, endpoint_slice
from support.cluster.api_server import ApiServer
from support.cluster.fixtures import StartApiServer
from support.cluster.kubectl import Kubectl, Manifest
from support.eventually import eventually

NAMESPACE = "chat"
KEEP = 2.0
"""Seconds that a missing endpoint is kept here."""
QUIET = 200.0
"""Seconds without any change: three times what a bookmark may take."""

ACCOUNT: list[Manifest] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "demo-api", "namespace": NAMESPACE}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "demo-api", "namespace": NAMESPACE},
        "rules": [{"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "demo-api", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "demo-api"},
        "subjects": [{"kind": "ServiceAccount", "name": "demo-api"}],
    },
]
"""What a pod of ours is allowed, and no more."""


class Place:
    """An API server, and a directory that asks it as a pod would."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.kubectl = Kubectl(server.kubeconfig, NAMESPACE)
        self.folder = folder
        self.readiness = health.Readiness()
        self.dependency = self.readiness.dependency("directory")
        self.kubectl.apply(*ACCOUNT)
        self.mount()
        cluster = json.loads(server.kubeconfig.read_text())["clusters"][0]["cluster"]
        (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        settings = Settings(Target(cluster["server"], NAMESPACE, SERVICE), "grpc", Account(folder))
        self.directory = KubernetesDirectory(settings, Patience(), View(KEEP), time.monotonic, random.random)

    def mount(self) -> None:
        """Give the service account a new token, as the kubelet does."""
        (self.folder / "token").write_text(self.kubectl("create", "token", "demo-api"))

    def put(self, name: str, *addresses: str, **conditions: bool) -> None:
        """Create or change a slice."""
        labels = {"kubernetes.io/service-name": SERVICE}
        thing = endpoint_slice(name, *addresses, **conditions)
        thing["metadata"] = {"name": name, "labels": labels}
        thing["endpoints"] = thing["endpoints"] or []
        self.kubectl.apply({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", **thing})

    async def knows(self, *addresses: str, within: float = 15.0) -> None:
        """Wait until the directory knows exactly these."""
        await eventually(lambda: self.directory.endpoints() == set(addresses), within=within, what=f"{addresses}")


def counted(metric: str, **labels: str) -> float:
    """What a metric says now."""
    return prometheus_client.REGISTRY.get_sample_value(f"chat_directory_{metric}", labels) or 0.0


def _is_away(errors: float) -> bool:
    return counted("errors_total", reason="connect") > errors


@asynccontextmanager
async def following(place: Place) -> AsyncIterator[None]:
    """Have the directory follow as long as the block."""
    task = asyncio.create_task(place.directory.follow(place.readiness))
    yield
    assert not task.done(), "nothing may end it"
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
def place(start_api_server: StartApiServer, tmp_path: Path) -> Place:
    """Return a directory that has not begun to look at its API server."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    return Place(start_api_server(), folder)


async def test_a_real_api_server_is_followed(place: Place) -> None:
    """Slices are listed and watched by the two verbs that are allowed; IPv6, several slices, and pods that end."""
    refused = counted("errors_total", reason="refused")
    place.put("logic-1", "10.0.0.1", "10.0.0.2")
    async with following(place):
        await place.knows("10.0.0.1:6900", "10.0.0.2:6900")
        assert place.readiness.ready
        place.put("logic-2", "fd00::3")
        await place.knows("10.0.0.1:6900", "10.0.0.2:6900", "[fd00::3]:6900")
        place.put("logic-1", "10.0.0.1", "10.0.0.2", ready=False, serving=True, terminating=True)
        place.kubectl("delete", "endpointslice", "logic-2")
        await place.knows("10.0.0.1:6900", "10.0.0.2:6900")
        place.put("logic-1", "10.0.0.1", ready=False, serving=False, terminating=True)
        place.put("logic-9", "10.0.0.9")
        await place.knows("10.0.0.9:6900")

    assert counted("errors_total", reason="refused") == refused


async def test_an_account_without_rights_is_told_so(place: Place) -> None:
    """The API server's own words reach /readyz; with the rights it goes on by itself."""
    place.kubectl("delete", "rolebinding", "demo-api")
    place.put("logic-1", "10.0.0.1")
    async with following(place):
        await eventually(lambda: "cannot list resource" in (place.dependency.problem or ""), within=20)
        assert not place.readiness.ready
        place.kubectl.apply(*ACCOUNT)
        await place.knows("10.0.0.1:6900", within=60)


async def test_a_version_that_the_api_server_forgot_is_listed_anew(place: Place) -> None:
    """A directory that was cut off for so long that nobody knows what it missed starts from a list."""
    place.put("logic-1", "10.0.0.1")
    place.server.apiserver.stop()
    place.server.apiserver.start()
    place.server.wait_ready()
    place.directory._version, place.directory._stale = "1", None
    before = counted("lists_total", reason="gone")
    async with following(place):
        await place.knows("10.0.0.1:6900")

    assert counted("lists_total", reason="gone") == before + 1


async def test_an_api_server_that_restarts_takes_nothing_away(place: Place) -> None:
    """What was known stays while it is away, and what happened meanwhile is known when it is back."""
    place.put("logic-1", "10.0.0.1")
    async with following(place):
        await place.knows("10.0.0.1:6900")
        for number in range(2, 5):
            errors = counted("errors_total", reason="connect")
            place.server.apiserver.kill()
            await eventually(partial(_is_away, errors), within=20)
            assert place.directory.endpoints()
            place.server.apiserver.start()
            place.server.wait_ready()
            place.put("logic-1", f"10.0.0.{number}")
            await place.knows(f"10.0.0.{number}:6900", within=60)


@pytest.mark.full
async def test_a_watch_of_nothing_new_stays_young(place: Place, figure: Callable[[str], None]) -> None:
    """While nothing happens the API server is heard of once in 75 s, and nothing is listed again."""
    lists, oldest = counted("lists_total", reason="start"), 0.0
    place.put("logic-1", "10.0.0.1")

    def over(until: float = time.monotonic() + QUIET) -> bool:
        nonlocal oldest
        oldest = max(oldest, counted("watch_age_seconds", service=SERVICE))
        return time.monotonic() > until

    async with following(place):
        await place.knows("10.0.0.1:6900")
        await eventually(over, within=QUIET + 30, every=0.5)

    stalled = counted("errors_total", reason="stalled")
    figure(f"in {QUIET:.0f} s of quiet the watch was {oldest:.0f} s old at most; {stalled:.0f} watches brought nothing")
    assert oldest < 75
    assert counted("lists_total", reason="start") == lists + 1
