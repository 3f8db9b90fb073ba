"""A pytest plugin: what belongs to which tier, and the table at the end of a run.

A tier is a folder of tests/. A test that cannot run for want of something skips with `missing(what, fix)`: at a desk
the table says so loudly; with CI=true a skip is a failure, because nobody reads tables there.
"""

import os
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PROCESS_FIXTURES = {"redis_program", "system", "api_server", "start_api_server", "cluster", "own_cluster"}
"""Who uses one of these has a process beside its own."""

ORDER = ("unit", "contract", "simulation", "integration", "browser", "chaos", "cluster")
"""In which tiers run: a mistake shows the sooner. Tests of any tier that need Kubernetes come after the others."""

_FIX = " -- fix: "
_TIERS = pytest.StashKey["Tiers"]()


def missing(what: str, fix: str) -> None:
    """Skip the running test because something is not there; `fix` is the command that would bring it."""
    pytest.skip(f"{what}{_FIX}{fix}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --full and --seed."""
    parser.addoption("--full", action="store_true", help="run fault tests at their full count (hours)")
    parser.addoption("--seed", type=int, help="draw what is drawn at random as in a run that told this seed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a process, by its fixtures, and run the quick tiers first, and what needs Kubernetes last."""
    for item in items:
        if PROCESS_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("process")
        if tier(item.nodeid) == "cluster":
            item.add_marker("kubernetes")
    items.sort(key=lambda item: (item.get_closest_marker("kubernetes") is not None, _place(tier(item.nodeid))))


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often a fault test repeats its fault: 20 times with --full, else 2."""
    return 20 if request.config.getoption("--full") else 2


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return a function that puts a figure of this test into the summary at the end of the run."""
    tiers = request.config.stash[_TIERS]
    return lambda text: tiers.figures.append(f"{request.node.name}: {text}")


@pytest.fixture
def seed(request: pytest.FixtureRequest, figure: Callable[[str], None]) -> int:
    """Return what this test's random choices begin with: --seed, or another one each time; it is among the figures."""
    given = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(10**6) if given is None else given
    figure(f"seed {seed}")
    return int(seed)


class Tiers:
    """Counts what happened, by tier."""

    def __init__(self) -> None:
        self.figures: list[str] = []
        self.ran: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.skipped: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = tier(report.nodeid)
        self.seconds[name] += report.duration
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[name][_reason(report)] += 1
        elif report.when == "call":
            self.ran[name] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and _is_ci() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.figures:
            terminalreporter.section("figures")
        for line in self.figures:
            terminalreporter.write_line(line)
        terminalreporter.section("tiers")
        for line in self.table():
            terminalreporter.write_line(line)

    def table(self) -> list[str]:
        """Return the table, a line for each tier and one more for each further reason to skip."""
        rows = [("tier", "ran", "seconds", "skipped", "why", "how to fix")]
        for name in sorted(self.ran.keys() | self.skipped.keys(), key=_place):
            reasons = list(self.skipped[name].items()) or [("", 0)]
            for number, (reason, count) in enumerate(reasons):
                why, _, fix = reason.partition(_FIX)
                first = (name, str(self.ran[name]), f"{self.seconds[name]:.0f}") if number == 0 else ("", "", "")
                rows.append((*first, str(count), why, fix))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return [*lines, *(["CI=true: a skip is a failure"] if self.skipped and _is_ci() else [])]


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    tiers = config.stash[_TIERS] = Tiers()
    config.pluginmanager.register(tiers)


def _place(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


def tier(nodeid: str) -> str:
    """Return the tier of a test, which is the folder that it is in."""
    path = nodeid.partition("::")[0].split("/")
    return path[1] if path[0] == TESTS.name and len(path) > 2 else path[0]


def _reason(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _is_ci() -> bool:
    return os.environ.get("CI", "").lower() == "true"
