"""How long to wait before coming back.

Owns full jitter: a random part of a wait that doubles, so that clients that were cut off together do not come back
together. Does not own whether to come back (closes). Pure.
"""

import random

FIRST = 0.5
"""Seconds: the longest wait before the first attempt."""
LONGEST = 30.0
"""Seconds: the longest wait of all."""
LASTED = 5.0
"""Seconds after which a connection counts as one that worked: its loss begins with a short wait again."""


def longest(tries: int) -> float:
    """The longest wait after so many attempts in vain."""
    return min(LONGEST, FIRST * 2.0 ** min(tries, 16))


def wait(tries: int, randomness: random.Random, at_least: float = 0.0) -> float:
    """Seconds to wait; `at_least` is what the server asked for, which is spread too."""
    return at_least + randomness.uniform(0, longest(tries))
