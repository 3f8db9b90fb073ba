"""The directory port: at which addresses a part of the cluster can be reached.

Guarantees: `endpoints` never blocks and never raises. It never becomes empty because a look-up failed: an
implementation keeps what it knew until it knows better. Order carries no meaning.
"""

from collections.abc import AsyncIterator
from typing import Protocol

from chatcluster.core import health


class Directory(Protocol):
    """Where the endpoints of one part are."""

    def endpoints(self) -> frozenset[str]:
        """The addresses (host:port) known now."""
        ...

    def changes(self) -> AsyncIterator[frozenset[str]]:
        """The addresses now, and again whenever they change; skips states that the reader was too slow for."""
        ...

    async def follow(self, readiness: health.Readiness) -> None:
        """Keep the addresses true, until cancelled; has to run beside.

        Returns where there is nothing to follow. What goes wrong is told by metrics, and never raised. Readiness waits
        for a first look-up, where there is one.
        """
        ...
