"""Connections to Redis: redis-py makes them, redis_link uses them.

Owns how redis-py is set up: RESP3, TLS, logging in, asking Sentinels for the master, no retries, and one deadline for a
whole attempt to connect. Does not own what is said on a connection. Apart from core.redis, because it leans on
redis-py's insides: a connection that is ready is taken from it.
"""

import asyncio
from functools import partial
from typing import Any

from redis import exceptions
from redis.asyncio import connection, sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from chatcluster.core.redis_link import Node, NotConnected
from chatcluster.core.redis_settings import Settings

CONNECT_TIMEOUT = 2.0
"""Seconds in which a connection must be there, its handshake included."""
SILENCE = 0.9
"""The part of an operation's deadline that a server must have been silent for, to be given up when it passes."""


def node(settings: Settings, address: tuple[str, int]) -> Node:
    """One server, connected to when it is first used."""
    pool = connection.ConnectionPool(
        connection_class=connection.SSLConnection if settings.tls else connection.Connection,
        host=address[0],
        port=address[1],
        **_login(settings),
    )
    return Node(partial(_connect, pool), SILENCE * settings.timeout)


def master(settings: Settings) -> tuple[Node, sentinel.Sentinel]:
    """Whichever server the Sentinels call the master, and the client of the Sentinels. Both want closing."""
    manager = sentinel.Sentinel(
        settings.nodes,
        sentinel_kwargs={
            "password": settings.sentinel_password,
            "socket_timeout": CONNECT_TIMEOUT,
            **_common(),
            **({"ssl": True, **_tls(settings)} if settings.tls else {}),
        },
    )
    pool = sentinel.SentinelConnectionPool(
        settings.sentinel_master,
        manager,
        connection_class=(
            sentinel.SentinelManagedSSLConnection if settings.tls else sentinel.SentinelManagedConnection
        ),
        **_login(settings),
    )
    return Node(partial(_connect, pool), SILENCE * settings.timeout), manager


async def _connect(pool: connection.ConnectionPool) -> asyncio.StreamWriter:
    made: Any = pool.make_connection()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await made.connect()
    except BaseException as exc:
        await made.disconnect(nowait=True)
        if isinstance(exc, (exceptions.RedisError, TimeoutError, OSError)):
            raise NotConnected(f"{type(exc).__name__}: {exc}") from exc
        raise
    writer: asyncio.StreamWriter = made._writer  # noqa: SLF001 - see above
    made._reader = made._writer = None  # noqa: SLF001 - or it would close the connection when it is collected
    return writer


def _login(settings: Settings) -> dict[str, Any]:
    return {
        "username": settings.username,
        "password": settings.password,
        "db": settings.database,
        "socket_timeout": None,
        **_common(),
        **(_tls(settings) if settings.tls else {}),
    }


def _common() -> dict[str, Any]:
    return {
        "protocol": 3,
        "legacy_responses": False,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _tls(settings: Settings) -> dict[str, Any]:
    return {"ssl_ca_certs": settings.ca_file, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
