"""The live api, fuzzed by schemathesis from its own OpenAPI document, with all of schemathesis' checks."""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import system as systems

HERE = Path(__file__).parent
HOOKS = HERE.parent / "support/openapi_hooks.py"
UNLIMITED = ("API_MESSAGE_RATE", "API_MESSAGE_BURST", "LOGIC_REGISTER_RATE", "LOGIC_LOGIN_RATE", "LOG_ROOM_RATE",
             "LOG_ROOM_BURST", "LOG_ROOMS_PER_USER")  # fmt: skip
ENVIRON = {
    **{f"CHATCLUSTER_{name}": "1000000" for name in UNLIMITED},
    "CHATCLUSTER_LOGIC_PASSWORD_MEMORY": "8",
    "CHATCLUSTER_LOGIC_PASSWORD_PASSES": "1",
}
"""What a fuzzer meets at once is no finding: it does not wait, and registers a user for each session that it ends."""


async def fuzz(url: str, folder: Path, *, examples: int) -> tuple[int, str]:
    """Run schemathesis with so many examples an operation; its exit code and what it said."""
    environ = {
        "PATH": os.environ["PATH"],
        "NO_PROXY": "127.0.0.1",
        "OPENAPI_TEST_URL": url,
        "SCHEMATHESIS_HOOKS": str(HOOKS),
    }
    program = str(Path(sys.executable).parent / "schemathesis")
    options = ["--checks", "all", "--max-examples", str(examples), "--continue-on-failure", "--no-color"]
    process = await asyncio.create_subprocess_exec(
        *(program, "--config-file", str(HERE / "schemathesis.toml"), "run", f"{url}/v1/openapi.json", *options),
        cwd=folder,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.mark.process
async def test_the_api_keeps_to_its_document(
    tmp_path: Path, request: pytest.FixtureRequest, figure: Callable[[str], None]
) -> None:
    """Whatever is sent: no server error, no status, header or body that it does not tell of, no way around a session.

    What the document allows is taken, and what it does not is refused. The programs are the same afterwards.
    """
    examples = 300 if request.config.getoption("--full") else 5
    async with systems.running(tmp_path, counts=(1, 1, 0, 1), environ=ENVIRON) as system:
        before = [process.pid for process in system.processes]

        code, said = await fuzz(system.api_url, tmp_path, examples=examples)

        assert code == 0, said
        tested = re.search(r"(\d+) generated", said)
        assert tested, said
        assert re.search(r"Tested: (\d+)", said)
        figure(f"{tested[1]} requests of {examples} examples an operation, in all phases, without a finding")
        assert [process.pid for process in system.processes if process.running] == before
        assert "Traceback" not in systems.logged(system.processes)
