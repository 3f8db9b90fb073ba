"""The ports that tests give to servers which cannot choose one."""

import socket
from contextlib import ExitStack

from support import ports


def test_nobody_else_has_them() -> None:
    """However many are reserved at a time, no port is given twice, and its owner can listen on it."""
    with ExitStack() as stack:
        firsts = [stack.enter_context(ports.reserved(20)) for _ in range(20)]
        given = [first + offset for first in firsts for offset in range(20)]

        assert len(set(given)) == len(given)
        for first in firsts:
            stack.enter_context(socket.create_server(("127.0.0.1", first)))


def test_a_port_that_somebody_listens_on_is_not_given() -> None:
    """Programs that know nothing of reservations keep their ports."""
    with ExitStack() as stack:
        taken = {first for first in range(10_000, 20_000, 50) if _listens(stack, first)}

        given = [stack.enter_context(ports.reserved()) for _ in range(300)]

        assert len(taken) > 100
        assert taken.isdisjoint(given)


def _listens(stack: ExitStack, port: int) -> bool:
    try:
        stack.enter_context(socket.create_server(("127.0.0.1", port)))
    except OSError:
        return False
    return True
