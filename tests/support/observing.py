"""`make observe`: a real Prometheus beside `make up`, and Grafana where it is installed.

Owns what is started with what, and what is told to the person at the terminal. Does not own Prometheus' configuration
(prometheus), the rules or the dashboards (the chart), nor how a process is kept running (chatcluster.local).

What it looks at may be up or not, may come and go: that is shown, and is what alerts are for.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from chatcluster.core.environment import Environment
from chatcluster.core.runner import CannotRun, Runner, run
from chatcluster.local import supervisor
from chatcluster.local.children import Child
from chatcluster.local.console import Console
from chatcluster.local.programs import Program
from chatcluster.local.settings import EACH, Port, Settings
from support import grafana, prometheus
from support.prometheus import Target

GRAFANA = "grafana-server"
GRAFANA_HOME = Path("/usr/share/grafana")
"""Where Grafana's packages keep what belongs to it."""
EVERY = "5s"
_LOOK = 0.2

_NO_PROMETHEUS = """there is no prometheus on PATH.
  On Debian, as root: apt-get install --no-install-recommends prometheus
  Elsewhere:          https://prometheus.io/download"""


@dataclass(frozen=True, slots=True)
class Observing:
    """What runs beside `make up`, and where."""

    local: Settings
    prometheus: int
    grafana: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read CHATCLUSTER_LOCAL_PROMETHEUS_PORT, CHATCLUSTER_LOCAL_GRAFANA_PORT, and what `make up` reads.

        The usual ports of both are those of their services, which packages start by themselves: ours are one higher.
        """
        environment = Environment(environ)
        return cls(
            Settings.from_env(environ),
            environment.integer("LOCAL_PROMETHEUS_PORT", 9091, 1024, 65_500),
            environment.integer("LOCAL_GRAFANA_PORT", 3001, 1024, 65_500),
        )

    @property
    def data(self) -> Path:
        """What is kept between runs."""
        return self.local.data / "observe"

    def targets(self) -> Iterator[Target]:
        """Yield the programs of `make up`."""
        for part in ("api", "logic", "connect", "task"):
            for number in range(1 if part == "api" else EACH):
                yield Target(f"{part}-{number}", f"127.0.0.1:{self.local.health(part, number)}", part)


async def main(runner: Runner) -> None:
    """Run them until told to stop. Raises `CannotRun` without a Prometheus, `WrongSetting` for a port that is taken."""
    observing = Observing.from_env(runner.environ)
    found = shutil.which(prometheus.PROGRAM)
    if found is None:
        raise CannotRun(_NO_PROMETHEUS)
    supervisor.check_free([Port(observing.prometheus, "PROMETHEUS_PORT")], "observe")
    programs = [_prometheus(observing, found)]
    if server := shutil.which(GRAFANA):
        supervisor.check_free([Port(observing.grafana, "GRAFANA_PORT")], "observe")
        programs.append(_grafana(observing, server))
    console = Console(sys.stdout)
    children = [Child(program, runner.environ, console) for program in programs]
    for child in children:
        runner.spawn(child.run(), child.name)
    await _until(runner, prometheus.Api(observing.prometheus))
    if not runner.stopping.is_set():
        sys.stdout.write(welcome(observing, has_grafana=len(programs) > 1))
        sys.stdout.flush()
    await runner.stopping.wait()
    await asyncio.gather(*(child.stop(supervisor.GRACE) for child in children))


def welcome(observing: Observing, *, has_grafana: bool) -> str:
    """Return where everything is."""
    address = f"http://127.0.0.1:{observing.prometheus}"
    if has_grafana:
        dashboards = f"http://127.0.0.1:{observing.grafana}/dashboards"
    else:
        dashboards = f"{grafana.FOLDER}, to import into a Grafana"
    return f"""
ChatCluster is observed.

  Prometheus  {address}/
  alerts      {address}/alerts
  targets     {address}/targets
  dashboards  {dashboards}
  data        {observing.data}

docs/monitoring.md says what there is to see. Ctrl-C stops it; ChatCluster runs on.

"""


def _prometheus(observing: Observing, program: str) -> Program:
    folder = _made(observing.data / "prometheus")
    path = folder / "prometheus.yaml"
    path.write_text(prometheus.configuration(observing.targets(), EVERY))
    return Program("prometheus", prometheus.command(program, path, folder / "data", observing.prometheus), {})


def _grafana(observing: Observing, program: str) -> Program:
    folder = _made(observing.data / "grafana")
    for name, body in provisioning(observing).items():
        path = _made((folder / "provisioning" / name).parent) / Path(name).name
        path.write_text(yaml.safe_dump(body))
    environ = {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(observing.grafana),
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "logs"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Admin",
        "GF_LOG_LEVEL": "warn",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(grafana.FOLDER / "overview.json"),
    }
    return Program("grafana", (program, *(["--homepath", str(GRAFANA_HOME)] if GRAFANA_HOME.is_dir() else [])), environ)


def provisioning(observing: Observing) -> Mapping[str, object]:
    """Return what Grafana finds when it starts, by the name of its file: Prometheus, and the chart's dashboards."""
    source = {
        "name": "Prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://127.0.0.1:{observing.prometheus}",
        "isDefault": True,
        "jsonData": {"timeInterval": EVERY},
    }
    provider = {"name": "ChatCluster", "type": "file", "options": {"path": str(grafana.FOLDER)}}
    return {
        "datasources/prometheus.yaml": {"apiVersion": 1, "datasources": [source]},
        "dashboards/chatcluster.yaml": {"apiVersion": 1, "providers": [provider]},
    }


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


async def _until(runner: Runner, api: prometheus.Api) -> None:
    while not runner.stopping.is_set():
        if await api.is_ready():
            break
        await asyncio.sleep(_LOOK)


if __name__ == "__main__":
    run(main, "observe", os.environ)
