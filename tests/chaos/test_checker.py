"""The checker of the fault tests can fail: each thing that must not happen is found, and told with its messages."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from support import checker
from support.checker import Position, Reading, Record, Segment, Sent

EPOCH = "1"


def record() -> Record:
    """A run in which all is well: four messages, one of them of unknown outcome, and three members."""
    history: list[tuple[Position, str]] = [((EPOCH, offset), f"m{offset}") for offset in range(1, 5)]
    sent = [Sent(each, "room:1", "ok", position) for position, each in history]
    sent[3] = replace(sent[3], result="unknown", position=None)
    segments = [
        Segment("room:1", "ann", ["m1", "m2", "m3", "m4"], whole=True),
        Segment("room:1", "bob", ["m2", "m3"]),
        Segment("room:1", "eve", []),
    ]
    readings = [Reading("room:1", "bob", (EPOCH, 3), 4, ["m4"], recovered=True)]
    return Record([*sent, Sent("m5", "room:1", "refused")], segments, readings, {"room:1": history})


def found(record: Record) -> list[tuple[str, tuple[str, ...]]]:
    """What the checker says: invariants and messages."""
    return [(violation.invariant, tuple(violation.ids)) for violation in checker.violations(record)]


def test_a_good_run_is_found_good() -> None:
    """An outcome that stayed unknown may be either way; a connection that ended may have seen less."""
    assert found(record()) == []


def _lose(run: Record) -> None:
    del run.history["room:1"][1]  # type: ignore[attr-defined]
    run.segments[0].ids.remove("m2")
    run.segments[1].ids.remove("m2")


def _store_twice(run: Record) -> None:
    run.history["room:1"].append(((EPOCH, 5), "m4"))  # type: ignore[attr-defined]
    run.segments[0].ids.append("m4")


MISTAKES: dict[str, tuple[Callable[[Record], object], list[tuple[str, tuple[str, ...]]]]] = {
    "acknowledged and lost": (_lose, [("I1", ("m2",))]),
    "stored twice": (_store_twice, [("I4", ("m4",)), ("I2", ("m4",))]),
    "acknowledged at another place": (lambda run: setattr(run.sent[0], "position", (EPOCH, 2)), [("I4", ("m1",))]),
    "refused and stored": (lambda run: setattr(run.sent[3], "result", "refused"), [("I1", ("m4",))]),
    "shown though nobody sent it": (lambda run: run.segments[1].ids.append("ghost"), [("I3", ("ghost",))]),
    "shown twice": (lambda run: run.segments[1].ids.append("m3"), [("I2", ("m3",))]),
    "shown out of order": (lambda run: run.segments[0].ids.reverse(), [("I2", ("m3", "m2", "m1"))]),
    "a hole": (lambda run: run.segments[0].ids.remove("m2"), [("I2", ("m3", "m4", "m2", "m3", "m4"))]),
    "the last one not shown": (lambda run: run.segments[0].ids.pop(), [("I2", ("m4",))]),
    "nothing shown": (lambda run: run.segments[0].ids.clear(), [("I1", ())]),
    "not read on to the end": (lambda run: run.readings[0].ids.clear(), [("I1", ("m4",))]),
    "told to reload": (lambda run: setattr(run.readings[0], "recovered", False), [("I1", ())]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_must_not_happen_is_found(mistake: str) -> None:
    """Whatever it is, alone in an otherwise good run."""
    make, due = MISTAKES[mistake]
    run = record()
    make(run)

    assert found(run) == due


def test_epochs_that_are_forgotten_excuse_who_stood_in_them() -> None:
    """Not where the offset is another, nor a reader whose epoch is still known."""
    run = record()
    run.sent[0].position = ("0", 1)
    run.readings[0].after, run.readings[0].recovered = ("0", 3), False
    assert found(run) == []

    run.sent[0].position = ("0", 2)
    assert found(run) == [("I4", ("m1",))]


def test_a_cut_excuses_what_it_took_and_nothing_else() -> None:
    """What is lost is taken out; who was told to reload is no violation; what else is missing stays one."""
    run = record()
    _lose(run)
    run.readings[0].recovered = False
    assert checker.missing(run) == {"m2"}
    assert found(checker.without(run, frozenset({"m2"}), frozenset())) == []

    run.segments[0].ids.pop()
    assert found(checker.without(run, frozenset({"m2"}), frozenset())) == [("I2", ("m4",))]
