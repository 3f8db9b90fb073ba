"""A real Prometheus: how it is set up to look at programs of this machine, and how it is asked.

Owns its configuration and its HTTP API, as far as it is used. Does not own its process: `make observe` and tests do.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from support import alerts, tiers

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
