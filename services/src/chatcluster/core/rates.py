"""Rates: how often something may happen, in one float of state.

Owns the arithmetic of a token bucket (as GCRA keeps it: instead of tokens and a time, only the time at which the bucket
would be full again), and a bounded table of buckets by key. Does not own what is limited nor what a refusal looks like.
It lives in core because api limits sessions as gateways limit connections. What has to hold across processes is the
ports' (`accounts.allow`, the log's rate of a room). Pure: the time is an argument.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

FULL = float("-inf")
"""The state of a bucket from which nothing was ever taken."""

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second, and at most `burst` at once after a pause."""

    per_second: float
    burst: int

    def take(self, full_at: float, now: float) -> float | None:
        """Take one: the bucket's new state, or None when it is empty. `full_at` is its state so far."""
        later = max(full_at, now) + 1 / self.per_second
        return later if later - now <= self.burst / self.per_second + _ROUNDING else None

    def wait(self, full_at: float, now: float) -> float:
        """Seconds until one can be taken again; 0 when one can be now."""
        return max(0.0, full_at + (1 - self.burst) / self.per_second - now)


class Table:
    """A bucket for each of the `capacity` keys that were used last.

    A key that was pushed out finds a full bucket when it comes back: the table errs in favour of those it limits.
    """

    def __init__(self, rate: Rate, capacity: int) -> None:
        self._rate = rate
        self._capacity = capacity
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable, now: float) -> float:
        """Take one from the key's bucket: 0, or the seconds until one can be taken (nothing was taken then)."""
        full_at = self._full_at.get(key, FULL)
        later = self._rate.take(full_at, now)
        if later is None:
            return self._rate.wait(full_at, now)
        self._full_at[key] = later
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._capacity:
            self._full_at.popitem(last=False)
        return 0.0
