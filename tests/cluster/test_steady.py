"""Many ChatClusters on simulated nodes: nothing is written while nothing happens, and what caring for them costs."""

import asyncio
import datetime as dt
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatcluster_operator import names
from support import account, operating
from support.cluster import audit
from support.cluster.api_server import ApiServer
from support.cluster.audit import Request
from support.cluster.fixtures import StartApiServer
from support.cluster.kubectl import Manifest
from support.eventually import eventually
from support.system import Process

PLACES = [f"place-{number}" for number in range(4)]
"""The namespaces that they are in."""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
NODES = 3
STEADY = 120
"""Seconds in which everything is looked at and listed twice."""


async def test_nothing_is_written_while_nothing_happens(
    start_api_server: StartApiServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Of 20 ChatClusters, for three minutes with --full; else for one, in which they are looked at as often."""
    minutes, resync = (3, 60) if request.config.getoption("--full") else (1, 20)
    server = start_api_server(nodes=NODES)
    async with fleet(server, tmp_path, 20, resync) as (operator, _):
        looks = await operator.metric("chat_operator_reconciles_total")
        asked = await overhear(server, 60 * minutes)

        assert 2 * 20 <= await operator.metric("chat_operator_reconciles_total") - looks <= 4 * 20
        assert {request.verb for request in asked} >= {"get", "list"}
        assert [request for request in asked if request.is_write] == []
        assert await operator.metric("chat_operator_watch_restarts_total") == 0, (
            "a quiet watch was taken for a dead one"
        )


@pytest.mark.full
async def test_two_hundred_are_cared_for(
    start_api_server: StartApiServer, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """All are ready in the end; how long that takes, and what the operator needs for it, is told."""
    server = start_api_server(nodes=NODES)
    async with fleet(server, tmp_path, 200, 60) as (operator, seconds):
        busy, begun = operator.cpu_seconds(), time.monotonic()
        asked = await overhear(server, STEADY)
        share = (operator.cpu_seconds() - busy) / (time.monotonic() - begun)

        figure(f"200 ChatClusters ready after {seconds:.0f} s and {busy:.0f} s of the operator's processor time")
        figure(
            f"then {share:.1%} of a core, {operator.resident_bytes() / 2**20:.0f} MiB, {len(asked) / STEADY:.0f} req/s"
        )
        assert [request for request in asked if request.is_write] == []


@asynccontextmanager
async def fleet(server: ApiServer, folder: Path, count: int, resync: int) -> AsyncIterator[tuple[Process, float]]:
    """Yield an operator under the chart's account whose ChatClusters are ready, and the seconds that it took."""
    operating.install_crd(server.kubectl)
    server.kubectl.apply(*map(namespace, PLACES))
    environ = {"CHATCLUSTER_OPERATOR_RESYNC_SECONDS": f"{resync}"}
    async with operating.running(account.enrolled(server.kubectl, folder), folder / "operator", environ) as operator:
        begun = time.monotonic()
        bodies = {"apiVersion": "v1", "kind": "List", "items": [*map(chatcluster, range(count))]}
        server.kubectl("create", "--filename=-", text=json.dumps(bodies), within=60 + count)
        await eventually(lambda: are_ready(server, count), within=60 + 10 * count, every=1, what="all are ready")
        seconds = time.monotonic() - begun
        await operating.quiet(operator, within=120, every=3)
        yield operator, seconds


async def overhear(server: ApiServer, seconds: float) -> list[Request]:
    """Return what the operator asks of the API server in so many seconds from now on."""
    since = dt.datetime.now(dt.UTC).isoformat()
    await asyncio.sleep(seconds)  # that nothing happens meanwhile is what is tested
    return list(audit.requests(server.audit_log, account.USER, since))


def are_ready(server: ApiServer, count: int) -> bool:
    """Whether so many ChatClusters say that they are ready, as they are now specified."""
    found = server.kubectl.get(names.PLURAL, "", "--all-namespaces")["items"]
    return sum(map(is_ready, found)) == count


def is_ready(body: Manifest) -> bool:
    """Whether a ChatCluster's status says so, of this generation."""
    said = [found for found in body.get("status", {}).get("conditions", []) if found["type"] == "Ready"]
    generation = body["metadata"]["generation"]
    return any((found["status"], found["observedGeneration"]) == ("True", generation) for found in said)


def chatcluster(number: int) -> Manifest:
    """Return one of them, with an empty spec."""
    metadata = {"name": f"demo-{number}", "namespace": PLACES[number % len(PLACES)]}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": {}}


def namespace(name: str) -> Manifest:
    """Return a namespace that enforces Pod Security."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
