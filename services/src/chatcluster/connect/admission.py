"""Who may connect: how many at once, how fast, and from one address.

Owns the counts. Does not own how a refusal looks (503 on a websocket, a last frame on TCP) nor limits of a user, which
is known later (membership). Pure; bounded by the number of connections.
"""

from collections import Counter
from dataclasses import dataclass

from chatcluster.connect.settings import Limits
from chatcluster.core import proxies, rates

SURPLUS = 256
"""Connections beyond the limit that are kept for a moment, so that they hear why they are refused."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is not taken."""

    reason: str
    """For metrics and the client."""
    retry_after: int
    """Seconds."""


CONNECTIONS = Refusal("connections", 10)
RATE = Refusal("connect_rate", 1)
ADDRESS = Refusal("connections_per_address", 10)


class Admission:
    """The door of a gateway.

    Every `arrive` must be followed by one `leave`, every `occupy` that succeeded by a `vacate`.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open = 0
        self._full_at = rates.FULL
        self._addresses: Counter[str] = Counter()

    @property
    def overrun(self) -> bool:
        """Whether there are so many that refused ones are not even told."""
        return self._open > self._limits.connections + SURPLUS

    def arrive(self, now: float) -> Refusal | None:
        """Count a new connection; why it is to be refused, or None."""
        self._open += 1
        if self._open > self._limits.connections:
            return CONNECTIONS
        later = self._limits.connecting.take(self._full_at, now)
        if later is None:
            return RATE
        self._full_at = later
        return None

    def leave(self) -> None:
        """A connection is gone, refused or not."""
        self._open -= 1

    @property
    def limits_addresses(self) -> bool:
        """Whether it matters from where a connection comes."""
        return self._limits.per_address > 0

    def occupy(self, address: str) -> Refusal | None:
        """Count a connection of this address; why it is to be refused, or None. Only if `limits_addresses`."""
        address = proxies.counted_as(address)
        if self._addresses[address] >= self._limits.per_address:
            return ADDRESS
        self._addresses[address] += 1
        return None

    def vacate(self, address: str) -> None:
        """A connection of this address is gone, which was counted."""
        address = proxies.counted_as(address)
        if self._addresses[address] <= 1:
            del self._addresses[address]
        else:
            self._addresses[address] -= 1
