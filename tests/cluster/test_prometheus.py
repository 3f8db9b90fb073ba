"""A real Prometheus at an operator: its alerts and its dashboard find what they ask for."""

from functools import partial
from pathlib import Path

from support import prometheus
from support.eventually import eventually
from support.operating import Api
from support.prometheus import Target
from support.system import Process

OVER = "5m"
ONLY_IN_NEED = {"chat_operator_watch_restarts_total"}
"""What is there only after a watch has broken."""


async def test_what_is_asked_of_an_operator_is_there(operator: Process, api: Api, tmp_path: Path) -> None:
    """It has something to do, and something that it cannot do."""
    prometheus.require()
    target = Target("operator", f"127.0.0.1:{operator.ports['health']}", namespace="chatcluster-system")
    async with prometheus.running(tmp_path / "prometheus", [target]) as found:
        await api.chatcluster("demo")
        await api.chatcluster("broken", {"redis": {"external": {"urlSecretRef": {"name": "none", "key": "url"}}}})

        await eventually(partial(answers, found), within=90, every=1)

        states = {rule["name"]: rule["state"] for rule in await found.rules() if rule["type"] == "alerting"}
        assert states["ChatOperatorReconcileFailing"] == "pending"
        assert states["ChatOperatorWatchStale"] == states["ChatOperatorAbsent"] == "inactive"


async def answers(found: prometheus.Api) -> bool:
    """Whether everything that panels and rules ask of an operator has an answer."""
    silent = [asked async for asked in prometheus.unanswered(found, is_operator_s, OVER)]
    assert not silent, silent
    return True


def is_operator_s(metrics: set[str]) -> bool:
    """Whether it is made of the operator's metrics."""
    return any(metric.startswith("chat_operator_") for metric in metrics) and not metrics & ONLY_IN_NEED
