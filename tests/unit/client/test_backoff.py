"""Waiting before coming back."""

import random

from hypothesis import given, strategies as st

from chatcluster.client import backoff


@given(st.integers(0, 10_000), st.integers(), st.floats(0, 60))
def test_the_wait_is_anything_up_to_a_bound(tries: int, seed: int, at_least: float) -> None:
    """It is spread over the whole range, which doubles up to 30 s, and never shorter than what the server asked for."""
    seconds = backoff.wait(tries, random.Random(seed), at_least)

    assert at_least <= seconds <= at_least + min(30.0, 0.5 * 2.0 ** min(tries, 10))


def test_clients_that_were_cut_off_together_come_back_apart() -> None:
    """A thousand waits are spread over all tenths of the range."""
    randomness = random.Random(1)
    waits = [backoff.wait(4, randomness) for _ in range(1000)]

    assert {int(seconds / 0.8) for seconds in waits} == set(range(10))
