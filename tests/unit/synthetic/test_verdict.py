"""When a verdict turns, and which question it answers."""

import pytest

from chatcluster.client.blame import Blame, Part
from chatcluster.synthetic.verdict import Judge, Verdict

TASK, LOGIC = Blame(Part.TASK, "drops messages"), Blame(Part.LOGIC, "is away")
ROUNDS = {".": None, "t": TASK, "l": LOGIC}


def judged(judge: Judge, rounds: str) -> Verdict:
    """Play rounds that end as soon as they begin; return the verdict."""
    for round_ in rounds:
        judge.end(judge.begin(), ROUNDS[round_])
    return judge.verdict


@pytest.mark.parametrize(
    ("rounds", "delivering"),
    [
        ("", None),
        ("..", None),
        ("...", True),
        ("t", None),
        ("tt", False),
        ("t.t", False),
        ("t..t", False),
        ("t...", True),
        ("...t", True),
        ("...t...t..", True),
        ("...tt", False),
        ("...t.t.", False),
        ("...tt..", False),
        ("...tt...", True),
        ("...t.t...", True),
    ],
)
def test_two_failures_of_four_turn_it_and_three_successes_in_a_row(rounds: str, delivering: bool | None) -> None:
    """A blink turns nothing, and neither does one success; every second message lost is a failure."""
    assert judged(Judge(), rounds).delivering is delivering


def test_the_last_failure_is_to_blame() -> None:
    """Whoever it was before."""
    assert judged(Judge(), "...lt").blame is TASK
    assert judged(Judge(), "...ltl").blame is LOGIC
    assert judged(Judge(), "...lt...").blame is None


def test_what_is_said_of_a_culprit_stays() -> None:
    """Other words for the same fault are no news."""
    judge = Judge()
    judged(judge, "tt")

    judge.end(judge.begin(), Blame(Part.TASK, "still does"))

    assert judge.verdict.blame is TASK
    judge.end(judge.begin(), Blame(Part.GATEWAY, "is deaf", "a"))
    judge.end(judge.begin(), Blame(Part.GATEWAY, "is deaf", "b"))
    assert judge.document()["message"] == "gateway b: is deaf"


def test_a_question_is_answered_by_what_came_after_it() -> None:
    """Until enough is known the earlier verdict stays; what began before does not count."""
    judge = Judge()
    before = judged(judge, "...")
    late = judge.begin()

    judge.ask("task is new")
    judge.end(late, TASK)
    judge.end(late, TASK)

    assert judged(judge, "..") == before
    assert judged(judge, ".") == Verdict(True, None, "task is new")


def test_a_question_may_be_answered_with_no() -> None:
    """As soon as two rounds after it have failed."""
    judge = Judge()
    judged(judge, "...")
    judge.ask("task is new")

    assert judged(judge, "t").answered == ""
    assert judged(judge, "t") == Verdict(False, TASK, "task is new")


def test_the_same_question_is_asked_once() -> None:
    """It is heard again and again."""
    judge = Judge()
    judge.ask("task is new")
    judged(judge, "..")
    judge.ask("task is new")

    assert judged(judge, ".").answered == "task is new"


def test_the_document_names_part_and_culprit() -> None:
    """For whoever reads /verdict, and the operator."""
    judge = Judge()
    assert judge.document() == {"delivering": None, "part": "", "message": "", "answered": ""}

    judged(judge, "tt")

    assert judge.document() == {
        "delivering": False,
        "part": "task",
        "message": "task: drops messages",
        "answered": "",
    }
