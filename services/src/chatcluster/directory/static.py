"""The directory port over a fixed list, for one machine.

Owns the list of one part, read from a setting. Does not own whether anything answers there: channels find that out.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Self

from chatcluster.core import health
from chatcluster.core.environment import PREFIX, Environment, WrongSetting


class StaticDirectory:
    """Addresses that never change."""

    def __init__(self, addresses: frozenset[str]) -> None:
        self._addresses = addresses

    @classmethod
    def from_env(cls, environ: Mapping[str, str], part: str) -> Self:
        """Read CHATCLUSTER_DIRECTORY_<part>, a list of host:port with commas; `part` in capitals, as in `LOGIC`.

        Raises `WrongSetting` when it is empty or holds something else.
        """
        name, example = f"DIRECTORY_{part}", "127.0.0.1:6900,127.0.0.1:6901"
        addresses = Environment(environ).words(name)
        wrong = [address for address in addresses if not _is_address(address)]
        if wrong or not addresses:
            problem = f"holds {wrong[0]!r}, expected host:port" if wrong else "is not set"
            raise WrongSetting(PREFIX + name, problem, example)
        return cls(frozenset(addresses))

    def endpoints(self) -> frozenset[str]:
        """All of them."""
        return self._addresses

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """All of them, once; then nothing for ever."""
        yield self._addresses
        await asyncio.Event().wait()

    async def follow(self, readiness: health.Readiness) -> None:
        """Return at once: they are what they are, from the start."""


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
