import json
import logging
import re

import prometheus_client
import pytest
import structlog
from prometheus_client.metrics import MetricWrapperBase

from chatcluster.core import telemetry

METRICS = {name: value for name, value in vars(telemetry).items() if isinstance(value, MetricWrapperBase)}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_called_here_as_outside(name: str) -> None:
    """A metric's name in code is its name in Prometheus, in capitals and without the prefix; each has a help text."""
    described = next(iter(METRICS[name].describe()))
    suffix = "_total" if described.type == "counter" else ""

    assert f"chat_{name.lower()}" == described.name + suffix
    assert re.fullmatch(r"[A-Z].*\.", described.documentation)


def test_no_label_has_unbounded_values() -> None:
    """Users, rooms and addresses never become labels."""
    labels = {label for metric in METRICS.values() for label in metric._labelnames}

    assert labels.isdisjoint({"user", "room", "address", "session", "message_id", "name"})


@pytest.mark.usefixtures("restored_logging")
def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal a line is one JSON object, ours and the libraries' alike."""
    telemetry.setup("logic", telemetry.Settings.from_env({}))

    structlog.get_logger().info("room_read", offset=7)
    structlog.get_logger().debug("too_fine")
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=ValueError("x"))

    ours, theirs = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["offset"], ours["level"]) == ("room_read", 7, "info")
    assert (theirs["logger"], theirs["level"]) == ("asyncio", "error")
    assert "ValueError: x" in theirs["exception"]


@pytest.mark.usefixtures("restored_logging")
def test_console_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The console's form is for people."""
    telemetry.setup("logic", telemetry.Settings.from_env({"CHATCLUSTER_TELEMETRY_FORMAT": "console"}))

    structlog.get_logger().warning("gateway_passed_over", reason="timeout")

    assert "gateway_passed_over reason=timeout" in capsys.readouterr().err


@pytest.mark.usefixtures("restored_logging")
def test_build_info_names_the_component() -> None:
    """Which version of which component runs can be read off the metrics."""
    telemetry.setup("task", telemetry.Settings.from_env({}))

    assert re.search(r'chat_build_info\{component="task",version="[0-9.]+"\} 1\.0',
                     prometheus_client.generate_latest().decode())  # fmt: skip
