from decimal import Decimal

import pytest
from hypothesis import given, strategies

from chatcluster_operator import quantities


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        *(("0", 0), ("2", 2), ("1.5", "1.5"), ("-1", -1), ("+3", 3), (".5", "0.5"), ("5.", 5)),
        *(("500m", "0.5"), ("100n", "1e-7"), ("7u", "7e-6")),
        *(("1k", 1000), ("1M", 10**6), ("1G", 10**9), ("1T", 10**12), ("1P", 10**15), ("1E", 10**18)),
        *(("1Ki", 2**10), ("1Mi", 2**20), ("1Gi", 2**30), ("1Ti", 2**40), ("1Pi", 2**50), ("1Ei", 2**60)),
        *(("1.5Gi", 3 * 2**29), ("1e3", 1000), ("1E3", 1000), ("12e-1", "1.2")),
    ],
)
def test_quantities_are_worth_what_kubernetes_says(text: str, worth: object) -> None:
    """Every suffix, decimal and binary, and both ways to write an exponent."""
    assert quantities.number(text) == Decimal(str(worth))


@pytest.mark.parametrize("number", [3, 0, 1.5])
def test_plain_numbers_are_quantities(number: float) -> None:
    """YAML has `cpu: 2`, which is no text."""
    assert quantities.number(number) == Decimal(str(number))


@given(strategies.integers(0, 10**9))
def test_notations_of_the_same_are_equal(number: int) -> None:
    """The API server writes 1000m as 1 and 1024Ki as 1Mi."""
    assert quantities.number(f"{number}000m") == quantities.number(number) == quantities.number(f"{number}e0")
    assert quantities.number(f"{1024 * number}Ki") == quantities.number(f"{number}Mi")


@pytest.mark.parametrize(
    "text", ["", "m", "Mi", "1mi", "1 Gi Gi", "a", "nan", "inf", "-inf", "1e", "0x10", "1.2.3", "1Mi1"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """The error says what it got, and what a quantity looks like."""
    with pytest.raises(ValueError, match="is no quantity, as 500m or 128Mi are") as refused:
        quantities.number(text)

    assert repr(text) in str(refused.value)
