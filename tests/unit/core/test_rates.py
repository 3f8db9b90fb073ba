import pytest
from hypothesis import given, strategies as st

from chatcluster.core import rates

RATE = rates.Rate(per_second=10, burst=20)


def take_all(rate: rates.Rate, moments: list[float]) -> list[float]:
    """The moments at which one could be taken."""
    state, taken = rates.FULL, []
    for now in moments:
        later = rate.take(state, now)
        if later is not None:
            state = later
            taken.append(now)
    return taken


def test_a_burst_passes_and_the_next_one_is_refused() -> None:
    """After a pause exactly `burst` can be taken at once."""
    assert take_all(RATE, [5.0] * 30) == [5.0] * 20


def test_a_refusal_says_how_long_to_wait() -> None:
    """Waiting as long as the bucket says is enough, and a little less is not."""
    state = rates.FULL
    for _ in range(20):
        state = RATE.take(state, 0.0) or state
    wait = RATE.wait(state, 0.0)
    assert wait == pytest.approx(0.1)
    assert RATE.take(state, wait - 0.01) is None
    assert RATE.take(state, wait) is not None


def test_nothing_is_waited_for_when_one_can_be_taken() -> None:
    """A full bucket has no waiting time."""
    assert RATE.wait(rates.FULL, 3.0) == 0.0


@given(st.lists(st.floats(0, 0.5), max_size=200), st.integers(1, 5), st.floats(0.5, 50))
def test_no_stretch_of_time_holds_more_than_rate_and_burst(pauses: list[float], burst: int, rate: float) -> None:
    """Whatever the rhythm, the number taken in any stretch is at most burst + rate x its length."""
    moments, now = [], 0.0
    for pause in pauses:
        now += pause
        moments.append(now)
    taken = take_all(rates.Rate(rate, burst), moments)
    for first, begin in enumerate(taken):
        for last, end in enumerate(taken[first:], start=first):
            assert last - first + 1 <= burst + rate * (end - begin) + 0.01


def test_keys_do_not_share_a_bucket() -> None:
    """One key's empty bucket does not limit another."""
    table = rates.Table(rates.Rate(1, 1), capacity=10)
    assert table.take("a", 0.0) == 0.0
    assert table.take("a", 0.0) == pytest.approx(1.0)
    assert table.take("b", 0.0) == 0.0


def test_a_table_forgets_the_key_that_was_used_longest_ago() -> None:
    """At its capacity the table lets the least recently used key go, whose bucket then counts as full."""
    table = rates.Table(rates.Rate(1, 1), capacity=2)
    for key in ("a", "b", "c"):
        table.take(key, 0.0)
    assert len(table) == 2
    assert table.take("a", 0.0) == 0.0
    assert table.take("c", 0.0) > 0.0
