import re

import pytest

from chatcluster_operator import errors

TREE = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.OperatorError)]


@pytest.mark.parametrize("error", TREE)
def test_reasons_are_what_a_condition_takes(error: type[errors.OperatorError]) -> None:
    """One word in CamelCase: the API server refuses a condition with any other reason."""
    assert re.fullmatch(r"([A-Z][a-z]+)+", error.reason)


def test_reasons_tell_the_errors_apart() -> None:
    """No two conditions have the same reason for different causes."""
    assert len({error.reason for error in TREE}) == len(TREE)


def test_the_picture_of_the_tree_is_complete() -> None:
    """The module's docstring names every error."""
    assert [error.__name__ for error in TREE if error.__name__ not in str(errors.__doc__)] == []
