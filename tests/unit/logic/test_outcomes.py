import pytest

from chatcluster.core import errors
from chatcluster.logic import outcomes


class Step:
    """Raises or returns one thing after another."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    async def __call__(self) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_known_outcome_is_not_repeated() -> None:
    """A step that answers is taken once."""
    step = Step("done", "again")

    assert await outcomes.repeated_once(step) == "done"
    assert step.answers == ["again"]


async def test_an_unknown_outcome_is_repeated() -> None:
    """The answer of the repetition stands for both attempts."""
    assert await outcomes.repeated_once(Step(errors.OutcomeUnknown(), "done")) == "done"


async def test_a_repetition_that_did_not_happen_leaves_the_outcome_unknown() -> None:
    """That the second attempt did nothing says nothing of the first."""
    with pytest.raises(errors.OutcomeUnknown):
        await outcomes.repeated_once(Step(errors.OutcomeUnknown(), errors.Unavailable()))


async def test_what_surely_did_not_happen_stays_so() -> None:
    """A first attempt that did nothing is reported as that."""
    with pytest.raises(errors.Unavailable):
        await outcomes.repeated_once(Step(errors.Unavailable()))


async def test_a_decision_of_the_repetition_is_passed_on() -> None:
    """An answer is an answer, also when it is a refusal."""
    with pytest.raises(errors.NameTaken):
        await outcomes.repeated_once(Step(errors.OutcomeUnknown(), errors.NameTaken()))
