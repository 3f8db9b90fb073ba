import json
import logging

import pytest
import structlog

from chatcluster.core import logs


@pytest.mark.usefixtures("restored_logging")
def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal a line is one JSON object, ours and the libraries' alike."""
    logs.setup(logs.Settings.from_env({}))

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
    logs.setup(logs.Settings.from_env({"CHATCLUSTER_TELEMETRY_FORMAT": "console"}))

    structlog.get_logger().warning("gateway_passed_over", reason="timeout")

    assert "gateway_passed_over reason=timeout" in capsys.readouterr().err
