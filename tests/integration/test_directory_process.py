"""A program that finds its servers through Kubernetes: over TLS with the pod's service account, and what that costs."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import grpc
import pytest

from chatcluster.core import health, rpc_server
from chatcluster.local import programs
from chatcluster.v1 import logic_pb2_grpc
from support import apiserver as stand_in
from support.apiserver import NAMESPACE, SERVICE, TOKEN, ScriptedApiserver, endpoint_slice
from support.cluster.certificates import Authority
from support.cluster.commands import ClusterError
from support.eventually import eventually
from support.system import Process
from support.tiers import missing

SECRET = "the-secret-of-a-cluster-of-the-tests"
BUDGET = 25 * 2**20
"""Bytes of memory that looking into Kubernetes may cost a program."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return a CA beside a token, as a pod finds them."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "namespace").write_text(NAMESPACE)
    authority = Authority(tmp_path)
    try:
        authority.create()
    except ClusterError as exc:
        missing(f"no certificates: {exc}", "make test-deps")
    return authority


def known_as(authority: Authority, name: str) -> ssl.SSLContext:
    """Return how a server shows that the CA knows it by this name."""
    pair = authority.issue("apiserver", "/CN=apiserver", addresses=[name])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.fixture
async def logic() -> AsyncIterator[int]:
    """Serve gRPC as logic does, though it can do nothing; yield the port."""

    def register(server: grpc.aio.Server) -> None:
        logic_pb2_grpc.add_LogicServiceServicer_to_server(logic_pb2_grpc.LogicServiceServicer(), server)

    server, port = await rpc_server.serve([register], "127.0.0.1:0", SECRET, health.Readiness())
    yield port
    await server.stop(None)


class Place:
    """Where the programs of a test run."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._secrets = programs.Secrets(cluster=folder / "secret", redis_url=folder / "none")
        self._secrets.cluster.write_text(SECRET)

    async def apiserver(self, tls: ssl.SSLContext, logic: int) -> ScriptedApiserver:
        """Run a stand-in that knows one logic."""
        server = await self._stack.enter_async_context(stand_in.running(tls))
        server.put(endpoint_slice("logic-1", "127.0.0.1", port=logic))
        return server

    async def start(self, part: str, index: int, *logic: str, **environ: str) -> Process:
        """Start an api or a gateway, with a fixed list of logics or with what tells it to ask Kubernetes."""

        def describe(ports: Mapping[str, int]) -> programs.Program:
            if part == "api":
                return programs.api(self._secrets, index, logic, port=0, health=0)
            return programs.connect(self._secrets, index, logic, ports=(0, 0, 0), health=0)

        process = Process(describe, self.folder, environ)
        self._stack.push_async_callback(process.kill)
        await process.start()
        return process

    def pod(self, server: ScriptedApiserver) -> dict[str, str]:
        """Return the environment of a pod of this API server."""
        return {
            "CHATCLUSTER_DIRECTORY_LOGIC_SERVICE": f"{SERVICE}:grpc",
            "CHATCLUSTER_DIRECTORY_ACCOUNT": str(self.folder),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(server.port),
        }


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """Yield a place that is cleared in the end."""
    async with AsyncExitStack() as stack:
        yield Place(tmp_path, stack)


@pytest.mark.parametrize("part", ["api", "connect"])
async def test_a_program_finds_logic_and_pays_little(
    authority: Authority, logic: int, place: Place, part: str, figure: Callable[[str], None]
) -> None:
    """It asks as its service account, trusts its cluster's CA, follows what changes, and stays small."""
    server = await place.apiserver(known_as(authority, "IP:127.0.0.1"), logic)
    fixed = await place.start(part, 0, f"127.0.0.1:{logic}")
    found = await place.start(part, 1, **place.pod(server))
    for process in (fixed, found):
        await eventually(partial(_has_logic, process), within=30, what=f"logic of {process.name}, see {process.log}")
    await eventually(lambda: server.watches, what="a watch")
    for number in range(100):
        server.put(endpoint_slice("others", *(f"127.0.1.{number}" for number in range(number % 10 + 1)), ready=False))
    server.put(endpoint_slice("logic-2", "127.0.2.1"))
    await eventually(partial(_knows, found, 2))
    cost = found.resident_bytes() - fixed.resident_bytes()

    figure(f"{cost / 2**20:.1f} MiB of memory for a watch, of {found.resident_bytes() / 2**20:.1f}")
    assert cost < BUDGET
    assert await found.stop() == 0
    assert "Traceback" not in found.log.read_text()


async def _has_logic(process: Process) -> bool:
    return bool((await process._get("/readyz")).json()["dependencies"]["logic"] == "ok")


async def _knows(process: Process, count: int) -> bool:
    return await process.metric("chat_directory_endpoints", service=SERVICE) == count


@pytest.mark.parametrize("trouble", ["another CA", "another name"])
async def test_a_server_that_cannot_prove_who_it_is_learns_nothing(
    authority: Authority, logic: int, place: Place, trouble: str
) -> None:
    """Neither one of another CA nor one of another address gets the token; the program stays unready, and says why."""
    name = "IP:127.0.0.1" if trouble == "another CA" else "IP:10.96.0.1"
    server = await place.apiserver(known_as(authority, name), logic)
    if trouble == "another CA":
        authority.create()
    api = await place.start("api", 0, **place.pod(server))
    await eventually(partial(_failed_often, api), within=30)

    assert not await api.is_ready()
    assert server.asked == []


async def _failed_often(process: Process) -> bool:
    return await process.metric("chat_directory_errors_total", reason="connect") >= 2


async def test_a_program_with_a_fixed_list_has_no_http_client() -> None:
    """On one machine nobody pays for Kubernetes: what asks it is not even imported."""
    program = (
        "import sys; from chatcluster.directory import choice;"
        "choice.from_env({'CHATCLUSTER_DIRECTORY_LOGIC': '127.0.0.1:6900'}, 'LOGIC');"
        "sys.exit('aiohttp' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-P", "-c", program)

    assert await asyncio.wait_for(process.wait(), 30) == 0
