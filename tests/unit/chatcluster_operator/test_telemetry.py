import json
import logging
import re

import prometheus_client
import pytest
import structlog
from prometheus_client.metrics import MetricWrapperBase

from chatcluster_operator import telemetry

METRICS = {name: value for name, value in vars(telemetry).items() if isinstance(value, MetricWrapperBase)}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_called_here_as_outside(name: str) -> None:
    """In capitals and without the prefix, so that they are not taken for the programs'; each has a help text."""
    described = next(iter(METRICS[name].describe()))
    suffix = "_total" if described.type == "counter" else ""

    assert described.name + suffix == f"chat_operator_{name.lower()}"
    assert re.fullmatch(r"[A-Z0-9].*\.", described.documentation)


def test_no_label_has_unbounded_values() -> None:
    """Names of resources, namespaces and pods never become labels."""
    labels = {label for metric in METRICS.values() for label in metric._labelnames}

    assert labels <= {"outcome", "kind", "why", "verb", "code", "reason", "ready", "version"}


@pytest.mark.usefixtures("restored_logging")
def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal a line is one JSON object, ours and the libraries' alike."""
    telemetry.setup("1.2.3", "info")

    structlog.get_logger().info("reconciled", generation=7)
    structlog.get_logger().debug("too_fine")
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=ValueError("x"))

    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["generation"], ours["level"]) == ("reconciled", 7, "info")
    assert theirs["level"] == "error"
    assert "ValueError: x" in theirs["exception"]


@pytest.mark.usefixtures("restored_logging")
def test_kopf_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """It tells of every event that it sees; what is wrong with it is still told."""
    telemetry.setup("1.2.3", "debug")

    logging.getLogger("kopf.objects").info("Handler 'changed' succeeded.")
    logging.getLogger("kopf.activities").warning("no credentials")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["no credentials"]


@pytest.mark.usefixtures("restored_logging")
def test_build_info_names_the_version() -> None:
    """Which version runs can be read off the metrics."""
    telemetry.setup("1.2.3", "info")

    assert 'chat_operator_build_info{version="1.2.3"} 1.0' in prometheus_client.generate_latest().decode()
