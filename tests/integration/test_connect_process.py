"""A gateway as a process of its own, with no logic to be found."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from chatcluster.connect import framing
from chatcluster.local import programs
from support.system import Process


def described(secrets: programs.Secrets, ports: Mapping[str, int]) -> programs.Program:
    """A gateway whose logic is at a port where nobody listens."""
    own = (ports.get("websocket", 0), ports.get("tcp", 0), ports.get("grpc", 0))
    return programs.connect(secrets, 0, ["127.0.0.1:1"], ports=own, health=ports.get("health", 0))


@pytest.fixture
def secrets(tmp_path: Path) -> programs.Secrets:
    """The files of a cluster's secrets."""
    found = programs.Secrets(cluster=tmp_path / "secret", redis_url=tmp_path / "none")
    found.cluster.write_text("the-secret-of-a-cluster-of-the-tests")
    return found


@pytest.fixture
async def gateway(secrets: programs.Secrets, tmp_path: Path) -> AsyncIterator[Process]:
    """Yield a gateway that runs."""
    process = Process(partial(described, secrets), tmp_path, {})
    await process.start()
    yield process
    await process.kill()


async def exit_of(secrets: programs.Secrets, **environ: str) -> tuple[int, str]:
    """What a gateway that cannot start ends with, and says."""
    program = described(secrets, {})
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program.command[1:], env={**program.environ, **environ}, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_gateway_without_logic_waits_for_it(gateway: Process) -> None:
    """It is alive and not ready, takes clients, closes none of them for want of logic, and ends in order."""
    async with connect(f"ws://127.0.0.1:{gateway.ports['websocket']}/ws", compression=None, proxy=None) as client:
        await client.send(json.dumps({"authToken": "ann", "roomId": 1}))
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["tcp"])
        writer.write(framing.frame(b'{"authToken":"ann","roomId":1,"op":6}'))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.ports['health']}") as http:
            alive, ready = await http.get("/healthz"), await http.get("/readyz")
        await asyncio.wait_for(client.ping(), 5)
        code = await gateway.stop()
        await asyncio.wait_for(client.wait_closed(), 10)
        rest = await asyncio.wait_for(reader.read(), 10)
        writer.close()

    assert (alive.status_code, ready.status_code) == (200, 503)
    assert set(ready.json()["dependencies"]) == {"logic", "lease"}
    assert client.close_code == 1012
    assert rest == b""
    assert code == 0
    assert "Traceback" not in gateway.log.read_text()


@pytest.mark.parametrize("name", ["WEBSOCKET", "TCP", "GRPC"])
async def test_taken_port_is_named(gateway: Process, secrets: programs.Secrets, name: str) -> None:
    """With the setting that changes it; the exit code says that a setting is wrong."""
    port = gateway.ports[name.lower()]
    variable = f"CHATCLUSTER_CONNECT_{name}_PORT"
    code, said = await exit_of(secrets, **{variable: str(port)})

    assert code == 2
    assert f"{variable} is {port}" in said
    assert "Traceback" not in said


async def test_wrong_setting_is_named(secrets: programs.Secrets) -> None:
    """By its variable, what is wrong, and an example."""
    code, said = await exit_of(secrets, CHATCLUSTER_CONNECT_PING_INTERVAL="often")

    assert code == 2
    assert "CHATCLUSTER_CONNECT_PING_INTERVAL is 'often', expected a number" in said
    assert "Example: CHATCLUSTER_CONNECT_PING_INTERVAL=54" in said
