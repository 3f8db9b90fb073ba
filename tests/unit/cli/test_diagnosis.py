"""Which observation blames whom."""

import pytest

from chatcluster.cli import diagnosis
from chatcluster.cli.diagnosis import Finding, State, culprits
from chatcluster.client.transport import Unreachable
from chatcluster.core import errors


@pytest.mark.parametrize(
    ("finding", "culprit"),
    [
        (diagnosis.api(errors.Unavailable("no api at x"), "x"), "api"),
        (diagnosis.backend(errors.Unavailable("no Logic is connected")), "logic"),
        (diagnosis.backend(errors.Unavailable("Redis: Connection refused")), "Redis"),
        (diagnosis.publishing(errors.Busy("Redis is out of memory")), "Redis"),
        (diagnosis.gateway("ws://x/ws", errors.Unavailable("refused")), "gateway ws://x/ws"),
        (diagnosis.origin("https://a", "ws://x/ws", Unreachable("no", status=403)), "origin"),
        (diagnosis.delivery(None), "task"),
        (diagnosis.clocks({"api": -60.0, "Redis": -60.4}), "the clock of this machine"),
        (diagnosis.clocks({"api": 0.4, "Redis": -60.4}), "the clock of Redis"),
    ],
)
def test_what_is_wrong_is_somebodys(finding: Finding, culprit: str) -> None:
    """Each has a culprit, what was seen, and what to do."""
    assert finding.state is State.BAD
    assert finding.culprit == culprit
    assert finding.seen
    assert finding.advice


@pytest.mark.parametrize(
    "finding",
    [
        diagnosis.api(None, "x"),
        diagnosis.api(errors.SessionEnded(), "x"),
        diagnosis.backend(errors.SessionEnded()),
        diagnosis.publishing(None),
        diagnosis.gateway("ws://x/ws", None),
        diagnosis.origin("https://a", "ws://x/ws", None),
        diagnosis.delivery(0.01),
        diagnosis.clocks({"api": 0.6, "Redis": -0.1}),
    ],
)
def test_what_is_well_is_said_so(finding: Finding) -> None:
    """An answer of the api's own is an answer, and a session that nobody has proves that it was looked up."""
    assert finding.state is State.OK


def test_a_gateway_that_is_away_says_nothing_of_origins() -> None:
    """Only a refusal of the handshake does."""
    assert diagnosis.origin("https://a", "ws://x/ws", Unreachable("refused")).state is State.UNKNOWN


def test_culprits_are_named_once_and_in_order() -> None:
    """The first is the nearest cause."""
    findings = [diagnosis.gateway("a", None), diagnosis.gateway("b", errors.Busy()), diagnosis.delivery(None)]

    assert culprits([*findings, *findings]) == ["gateway b", "task"]
