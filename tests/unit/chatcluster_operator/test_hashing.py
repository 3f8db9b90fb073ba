from typing import Any

import pytest
from hypothesis import given, strategies

from chatcluster_operator import hashing

JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda below: strategies.lists(below, max_size=4) | strategies.dictionaries(strategies.text(), below, max_size=4),
    max_leaves=12,
)


def turned(value: Any) -> Any:
    """Return the same value with the keys of every map in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(element) for key, element in reversed(value.items())}
    return [turned(element) for element in value] if isinstance(value, list) else value


@given(JSON)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    """A manifest is the same however its builder was written."""
    assert hashing.digest(turned(value)) == hashing.digest(value)


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, "1"), ([1, 2], [2, 1]), ({}, []), ({"a": None}, {})])
def test_what_looks_alike_is_told_apart(one: Any, other: Any) -> None:
    """The order of a list matters, and so does the type of a value."""
    assert hashing.digest(one) != hashing.digest(other)


def test_digests_outlive_the_process() -> None:
    """The next operator compares with what the last one wrote: a digest that moves replaces every pod there is."""
    assert hashing.digest({"b": [1, "ü"], "a": None}) == "e6079cc869da30fa"
