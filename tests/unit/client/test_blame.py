"""Whom a refusal and a silence blame."""

import pytest

from chatcluster.client import blame
from chatcluster.client.blame import Heard, Part
from chatcluster.client.failures import NoAnswer, NobodyThere, NotTheApi
from chatcluster.core import errors

SHOWN, DEAF, SILENT = Heard.SHOWN, Heard.DEAF, Heard.SILENT


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (NobodyThere("no api at http://x"), Part.API),
        (NoAnswer("no answer from http://x (in time)"), Part.API),
        (NotTheApi("status 200, and no JSON"), Part.API),
        (errors.ChatError("api: internal error"), Part.API),
        (errors.ChatError("internal error"), Part.LOGIC),
        (errors.Invalid("what logic makes of a message that is right"), Part.LOGIC),
        (errors.Unavailable("no LogicService is connected"), Part.LOGIC),
        (errors.OutcomeUnknown("DEADLINE_EXCEEDED: Deadline Exceeded"), Part.LOGIC),
        (errors.Busy("too many calls at once"), Part.LOGIC),
        (errors.Unavailable("Redis: Connection refused"), Part.REDIS),
        (errors.OutcomeUnknown("Redis: no answer in time"), Part.REDIS),
        (errors.Busy("Redis is full"), Part.REDIS),
        (errors.Busy("dispatch is full"), Part.TASK),
    ],
)
def test_a_refusal_blames_who_met_the_error(error: errors.ChatError, part: Part) -> None:
    """The api for its own silence, logic for its own, Redis where logic names it, task where it lags behind."""
    assert blame.part_of(error) is part


@pytest.mark.parametrize(
    ("gateways", "culprit"),
    [
        ({"a": SHOWN, "b": SHOWN}, ""),
        ({}, ""),
        ({"a": DEAF, "b": DEAF}, "task"),
        ({"a": DEAF}, "task"),
        ({"a": DEAF, "b": SILENT}, "task"),
        ({"a": SHOWN, "b": DEAF}, "gateway b"),
        ({"a": SHOWN, "b": SILENT}, "gateway b"),
        ({"b": SILENT, "a": SILENT}, "gateway a, b"),
        ({"c": SHOWN, "b": SILENT, "a": DEAF}, "gateway a, b"),
    ],
)
def test_a_silence_blames_task_or_gateways(gateways: dict[str, Heard], culprit: str) -> None:
    """Task when no gateway shows what is stored although one answers; else the gateways that do not show it."""
    found = blame.of_silence(gateways, 2)

    assert (found.culprit if found else "") == culprit


def test_a_blame_says_who_and_why() -> None:
    """As a person reads it."""
    found = blame.of_silence({"10.0.0.1:7000": SHOWN, "10.0.0.2:7000": SILENT}, 2)

    assert str(found) == "gateway 10.0.0.2:7000: does not answer"
    assert str(blame.of_refusal(errors.Unavailable("Redis: Connection refused"))) == "Redis: Connection refused"
    assert str(blame.of_refusal(errors.Busy("Redis is full"))) == "Redis: is full"
    assert str(blame.of_refusal(errors.Busy("dispatch is full"))) == "task: dispatch is full"
