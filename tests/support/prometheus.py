"""A real Prometheus: how it is set up to look at programs of this machine, and how it is asked.

Owns its configuration, its process in tests, and its HTTP API, as far as it is used. Does not own the rules (alerts).
https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import isnan
from pathlib import Path
from typing import Any

import httpx
import yaml

from chatcluster.local.children import die_with
from support import alerts, grafana, ports, tiers
from support.eventually import eventually

PROGRAM = "prometheus"
RETENTION = "7d"

Series = tuple[Mapping[str, str], float]
"""Labels and the newest value."""


@dataclass(frozen=True, slots=True)
class Target:
    """A program to look at, with the labels that alerts and dashboards expect of it."""

    pod: str
    address: str
    """Its health port's, as host:port."""
    component: str = ""
    """Empty: the operator."""
    namespace: str = "local"
    chatcluster: str = "local"

    @property
    def labels(self) -> Mapping[str, str]:
        """What Prometheus puts on every series of it."""
        where = {"namespace": self.namespace, "pod": self.pod}
        return where | ({"chatcluster": self.chatcluster, "component": self.component} if self.component else {})


def configuration(targets: Iterable[Target], every: str) -> str:
    """Return Prometheus' configuration: these targets, scraped every so often, and the chart's rules."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(alerts.RULES)],
            "scrape_configs": [
                {
                    "job_name": "chatcluster",
                    "static_configs": [{"targets": [t.address], "labels": dict(t.labels)} for t in targets],
                }
            ],
        }
    )


def command(program: str, configuration: Path, data: Path, port: int) -> tuple[str, ...]:
    """Return how it is started, on loopback."""
    return (
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )


def require() -> str:
    """Return where the program is; skip the running test, loudly, where there is none."""
    if program := shutil.which(PROGRAM):
        return program
    tiers.missing(f"no {PROGRAM}", "make test-deps")
    raise AssertionError


class Api:
    """What a running Prometheus is asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    async def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            async with self._client() as client:
                return (await client.get("/-/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def ask(self, expression: str) -> list[Series]:
        """Return the series of an expression now; raises `httpx.HTTPStatusError` for one that it does not take."""
        found = await self._get("/api/v1/query", query=expression)
        return [(series["metric"], float(series["value"][1])) for series in found["result"]]

    async def rules(self) -> list[Mapping[str, Any]]:
        """Return all rules, with their state and with what went wrong with them."""
        found = await self._get("/api/v1/rules")
        return [rule for group in found["groups"] for rule in group["rules"]]

    async def targets(self) -> Mapping[str, str]:
        """Return how each target is, up or down, by its pod."""
        found = await self._get("/api/v1/targets")
        return {target["labels"]["pod"]: target["health"] for target in found["activeTargets"]}

    async def _get(self, path: str, **parameters: str) -> Any:
        async with self._client() as client:
            response = await client.get(path, params=parameters)
            response.raise_for_status()
            return response.json()["data"]

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=30)


@asynccontextmanager
async def running(folder: Path, targets: Iterable[Target], every: str = "1s") -> AsyncIterator[Api]:
    """Yield a Prometheus that looks at these targets and has seen each of them; its log is in the folder."""
    program = require()
    folder.mkdir(parents=True, exist_ok=True)
    expected, path = list(targets), folder / "prometheus.yaml"
    path.write_text(configuration(expected, every))
    with ports.reserved() as port:
        with (folder / "prometheus.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command(program, path, folder / "data", port),
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with, os.getpid()),
            )
        try:
            api = Api(port)
            await eventually(api.is_ready, within=60, what=f"Prometheus, see {log.name}")
            await eventually(partial(_sees, api, {target.pod for target in expected}), within=60, every=0.2)
            yield api
        finally:
            process.terminate()
            await process.wait()


async def _sees(api: Api, pods: set[str]) -> bool:
    return await api.targets() == dict.fromkeys(pods, "up")


async def unanswered(api: Api, is_expected: Callable[[set[str]], bool], over: str) -> AsyncIterator[str]:
    """Yield what finds nothing: queries of panels, and what rules select or record.

    Only what is made of metrics that `is_expected` takes is asked; panels look back `over` so long.
    """
    for asked, where in _asked(over):
        if is_expected(alerts.metrics_of(asked)) and all(isnan(value) for _, value in await api.ask(asked)):
            yield f"{where}: {asked}"


def _asked(over: str) -> Iterator[tuple[str, str]]:
    for dashboard in grafana.dashboards().values():
        for panel in dashboard.panels:
            for query in panel.queries:
                yield grafana.asked(dashboard, query, over), f"{dashboard.title}, {panel.title}"
    for rule in alerts.rules():
        for selector in alerts.selectors_of(rule["expr"]):
            yield selector, rule.get("alert") or rule["record"]
        if "record" in rule:
            yield rule["record"], rule["record"]
