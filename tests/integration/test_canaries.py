"""What no log may tell is found in any log that it stands in."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from chatcluster.local.programs import Program
from support import canaries
from support.asyncapi import Conversation
from support.canaries import CANARY, PASSWORD
from support.system import Process

TOKEN = "kJ0pQ2vY7xWm-4Rz_TfB1nLcS8dHgA3uE9oIyXw5VqM"
INDISCREET = """
import os, pathlib, sys, time
print(os.environ["LINE"], file=sys.stderr, flush=True)
report = pathlib.Path(os.environ["CHATCLUSTER_RUNNER_REPORT_FILE"])
partial = report.with_suffix(".partial")
partial.write_text('{"pid": 1}')
partial.replace(report)
time.sleep(600)
"""
"""A program that logs one line."""


async def runs_and_logs(line: str, folder: Path) -> None:
    """Run a program that logs this line, as all programs of the tests are run, and kill it."""

    def describe(_: Mapping[str, int]) -> Program:
        return Program("indiscreet", (sys.executable, "-P", "-c", INDISCREET), {"LINE": line})

    process = Process(describe, folder, {})
    await process.start()
    await process.kill()


@pytest.mark.parametrize(
    "line",
    [
        f'{{"event": "login", "password": "{PASSWORD}"}}',
        f"a token: {TOKEN}=",
        f"GET /ws?ticket={TOKEN} 101",
        f"published {CANARY}-17",
        "heard: what Ann told Bob",
    ],
)
async def test_a_program_that_tells_is_caught(line: str, tmp_path: Path) -> None:
    """By a password, a token, a ticket, a text of a load, or what a client of v1 said."""
    Conversation(careful=False).asked('{"type": "send", "id": 1, "room": "room:1", "text": "what Ann told Bob"}')

    await runs_and_logs(line, tmp_path)

    with pytest.raises(AssertionError, match="1 lines of logs"):
        canaries.verdict()


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "listening", "http": 7070}',
        "0f" * 32,
        "chatcluster-operator-abcdefghijk-0123456789",
        "a" * 43 + " " + "B" * 43,
    ],
)
async def test_a_program_that_tells_nothing_passes(line: str, tmp_path: Path) -> None:
    """Digests and long names are no secrets."""
    await runs_and_logs(line, tmp_path)

    canaries.verdict()
