"""The sockets that clients connect to, and how many there may be.

Owns their options, which accepted sockets inherit, and the process' limit of open files. Does not own what is spoken
on them. A port that is taken is a wrong setting, and is told as one.
"""

import resource
import socket

import structlog

from chatcluster.core.environment import PREFIX, WrongSetting

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted; in a storm more are refused by it."""
OTHER_FILES = 512
"""Files of a gateway beside its clients: those it refuses, gRPC, health, logs."""

_log = structlog.get_logger()


def bind(host: str, port: int, setting: str, send_buffer: int, user_timeout: float | None = None) -> socket.socket:
    """A listening socket. `send_buffer` in bytes (the kernel doubles it), `user_timeout` (TCP_USER_TIMEOUT) in seconds.

    Raises `WrongSetting`, naming `setting`, when the address cannot be bound.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        raise _wrong(setting, host, port, exc) from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if user_timeout is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout * 1000))
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise _wrong(setting, host, port, exc) from exc
    return listener


def allow(connections: int) -> None:
    """Raise this process' limit of open files as far as that many connections need it and the system lets us."""
    wanted = connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else wanted
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, most)), hard))
    if most < wanted:
        _log.warning("too_few_open_files", allowed=most, wanted=wanted, setting=f"{PREFIX}CONNECT_MAX_CONNECTIONS")


def _wrong(setting: str, host: str, port: int, exc: OSError) -> WrongSetting:
    return WrongSetting(PREFIX + setting, f"is {port}, where {host} cannot be listened on: {exc.strerror or exc}", "0")
