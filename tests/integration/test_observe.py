"""`make observe` as a person meets it: beside `make up`, and when there is nothing to run."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import yaml

from chatcluster.core.environment import WrongSetting
from chatcluster.local import supervisor
from chatcluster.local.children import die_with
from chatcluster.local.settings import Port
from support import grafana, observing, ports, prometheus
from support.eventually import eventually
from support.observing import Observing

pytestmark = pytest.mark.process


@asynccontextmanager
async def observe(output: Path, environ: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run it as long as the block."""
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "support.observing"),
            env={**os.environ, "PYTHONPATH": "tests", **environ},
            stdout=file,
            stderr=file,
            preexec_fn=partial(die_with, os.getpid()),
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def test_prometheus_runs_beside_it_with_all_alerts_until_it_is_stopped(tmp_path: Path) -> None:
    """It says where it is, knows every program, up or not, and goes when it is told to."""
    prometheus.require()
    output = tmp_path / "output"
    with ports.reserved(30) as first:
        environ = {
            "CHATCLUSTER_LOCAL_DATA": str(tmp_path / "data"),
            "CHATCLUSTER_LOCAL_PROMETHEUS_PORT": str(first),
            "CHATCLUSTER_LOCAL_GRAFANA_PORT": str(first + 1),
            "CHATCLUSTER_LOCAL_HEALTH_PORT": str(first + 10),
        }
        expected = {target.pod for target in Observing.from_env(environ).targets()}
        async with observe(output, environ) as process:
            await eventually(lambda: f"http://127.0.0.1:{first}/alerts" in output.read_text(), within=60)
            api = prometheus.Api(first)
            await eventually(partial(knows, api, expected), within=60)

            assert {rule["name"] for rule in await api.rules()} >= {"ChatSendsFailing", "ChatOperatorAbsent"}
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0


async def knows(api: prometheus.Api, pods: set[str]) -> bool:
    """Whether these are its targets."""
    return set(await api.targets()) == pods


async def test_without_prometheus_it_says_how_to_get_one(tmp_path: Path) -> None:
    """And where, and ends."""
    output = tmp_path / "output"
    environ = {"PATH": str(tmp_path), "CHATCLUSTER_LOCAL_DATA": str(tmp_path / "data")}
    async with observe(output, environ) as process:
        assert await asyncio.wait_for(process.wait(), 60) == 2
    assert "apt-get install --no-install-recommends prometheus" in output.read_text()
    assert not (tmp_path / "data").exists()


def test_it_looks_at_what_make_up_starts() -> None:
    """Every health port of it, moved or not, by the names that its lines have."""
    observing = Observing.from_env({"CHATCLUSTER_LOCAL_HEALTH_PORT": "8000"})
    healths = {port.number for port in observing.local.ports() if port.setting == "HEALTH_PORT"}
    targets = list(observing.targets())

    assert {target.address for target in targets} == {f"127.0.0.1:{port}" for port in healths}
    assert len({target.pod for target in targets}) == len(targets)
    assert {target.labels["component"] for target in targets} == {"api", "logic", "connect", "task"}


def test_a_port_that_is_taken_is_told_with_its_own_way_out() -> None:
    """`make observe`, not `make up`."""
    with ports.reserved() as port, pytest.raises(WrongSetting, match=f"make observe PROMETHEUS_PORT={port + 100}"):
        asyncio.run(_taken(port))


async def _taken(port: int) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with server:
        supervisor.check_free([Port(port, "PROMETHEUS_PORT")], "observe")


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    """By files that it reads when it starts."""
    found = observing.provisioning(Observing.from_env({"CHATCLUSTER_LOCAL_PROMETHEUS_PORT": "9999"}))
    text = yaml.safe_dump(found)

    assert "http://127.0.0.1:9999" in text
    assert str(grafana.FOLDER) in text


def test_the_welcome_names_grafana_only_where_there_is_one() -> None:
    """Else the files to import."""
    found = Observing.from_env({})

    assert "http://127.0.0.1:3001/dashboards" in observing.welcome(found, has_grafana=True)
    assert str(grafana.FOLDER) in observing.welcome(found, has_grafana=False)
