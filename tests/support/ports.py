"""Ports on loopback for servers that cannot choose one and say which, or that come back on the one they had.

Owns that nobody has them meanwhile, neither another test nor another run of the tests. Everything else binds port 0 and
reports what it got.
"""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_RANGE = range(10_000, 20_000)
"""Kernels take none of these for outgoing connections; nor 10,000 above, where the servers of a Redis Cluster meet."""


@contextmanager
def reserved(count: int = 1) -> Iterator[int]:
    """Yield the first of `count` ports in a row, which are the caller's as long as the block.

    What holds them is a bound UDP socket for each: the kernel gives its number to nobody else and takes it back from
    who is killed, and TCP has its own ports of the same numbers.
    """
    while (held := _held(first := random.choice(_RANGE[:-count]), count)) is None:
        pass
    with held:
        yield first


def _held(first: int, count: int) -> ExitStack | None:
    with ExitStack() as stack:
        try:
            for port in range(first, first + count):
                stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return stack.pop_all()
