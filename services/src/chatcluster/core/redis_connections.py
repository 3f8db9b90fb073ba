"""redis-py, set up so that a failure tells whether anything was sent.

Owns how redis-py is used: RESP3, no retries, no health checks, no timeouts of its own on commands (core.redis has one
for all of a command's steps), and one that covers a whole attempt to connect. Does not own what a failure means to a
caller. Apart from core.redis, because it leans on redis-py's insides.
"""

import asyncio
from typing import Any

from redis import asyncio as redis, exceptions
from redis.asyncio import connection, sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from chatcluster.core.redis_settings import Settings

CONNECT_TIMEOUT = 2.0
"""Seconds in which a connection must be there, its handshake included."""

_UNBOUNDED = 2**16
"""redis-py's pools do not wait for a free connection, they fail: the bound is kept by core.redis, which does."""


class NotConnected(exceptions.ConnectionError):
    """No connection could be had, so nothing was sent."""


class _Telling(connection.AbstractConnection):
    """Raises `NotConnected` for whatever goes wrong before a connection can be used."""

    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if self.is_connected:
            return
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await super().connect_check_health(check_health, retry_socket_connect)
        except (exceptions.RedisError, TimeoutError, OSError) as exc:
            await self.disconnect(nowait=True)
            raise NotConnected(f"{type(exc).__name__}: {exc}") from exc


class _Connection(_Telling, connection.Connection):
    pass


class _TlsConnection(_Telling, connection.SSLConnection):
    pass


class _SentinelConnection(_Telling, sentinel.SentinelManagedConnection):
    pass


class _SentinelTlsConnection(_Telling, sentinel.SentinelManagedSSLConnection):
    pass


def node(settings: Settings, address: tuple[str, int]) -> redis.Redis:
    """A client of one server, which connects when it is first used."""
    return redis.Redis.from_pool(
        connection.ConnectionPool(
            connection_class=_TlsConnection if settings.tls else _Connection,
            host=address[0],
            port=address[1],
            **_pool(settings),
        )
    )


def master(settings: Settings) -> tuple[redis.Redis, sentinel.Sentinel]:
    """A client of whichever server the Sentinels call the master, and that of the Sentinels. Both want closing."""
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
        connection_class=_SentinelTlsConnection if settings.tls else _SentinelConnection,
        **_pool(settings),
    )
    return redis.Redis.from_pool(pool), manager


def _pool(settings: Settings) -> dict[str, Any]:
    return {
        "username": settings.username,
        "password": settings.password,
        "db": settings.database,
        "max_connections": _UNBOUNDED,
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
