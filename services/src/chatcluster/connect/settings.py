"""What a gateway is set up by.

Owns the variables CHATCLUSTER_CONNECT_* and their bounds. What several programs share is read by its own owner: the
cluster and the health port in core, where logic is in directory, the number of shards in log.
"""

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Self

from chatcluster.core.environment import PREFIX, Environment, WrongSetting
from chatcluster.core.proxies import Proxies
from chatcluster.core.rates import Rate

_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may cost. Times in seconds, sizes in bytes."""

    connections: int
    """Open at once on this gateway; the next is answered 503. CHATCLUSTER_CONNECT_MAX_CONNECTIONS."""
    per_user: int
    """Of one user on this gateway; the next is closed. CHATCLUSTER_CONNECT_MAX_PER_USER."""
    per_address: int
    """From one address on this gateway; 0: any number, since carriers put thousands of users behind one.
    CHATCLUSTER_CONNECT_MAX_PER_ADDRESS."""
    connecting: Rate
    """New connections; more are answered 503. CHATCLUSTER_CONNECT_RATE."""
    messages: Rate
    """Sends of one connection; more are refused. CHATCLUSTER_CONNECT_MESSAGE_RATE, _MESSAGE_BURST."""
    controls: Rate
    """All other frames of one connection (joins, pings, pongs) and sends that were refused; more close it.
    CHATCLUSTER_CONNECT_CONTROL_RATE; its burst is twice that."""
    requests: Rate
    """Requests of one v1 connection that are no messages; more are refused. CHATCLUSTER_CONNECT_REQUEST_RATE,
    _REQUEST_BURST."""
    rooms: int
    """That one v1 connection may join; the next is refused. CHATCLUSTER_CONNECT_ROOMS_PER_CONNECTION."""
    v1_frame_bytes: int
    """Of a websocket message from a v1 client: a text at its longest, however it is escaped.
    CHATCLUSTER_CONNECT_V1_FRAME_BYTES."""
    frame_bytes: int
    """Of a websocket message from a gochat client; a TCP frame has 32,767 by its format.
    CHATCLUSTER_CONNECT_FRAME_BYTES."""
    outbox_bytes: int
    """Waiting for one connection to read; above it is closed as slow. CHATCLUSTER_CONNECT_OUTBOX_BYTES."""
    send_buffer_bytes: int
    """SO_SNDBUF, which the kernel doubles: what is on the way beyond the outbox, and what stops it from growing to
    megabytes for each slow reader. CHATCLUSTER_CONNECT_SEND_BUFFER_BYTES."""
    auth_deadline: float
    """Until a TCP client's first frame, a websocket's handshake, and logic's answer to either's token.
    CHATCLUSTER_CONNECT_AUTH_DEADLINE."""
    gochat_auth_deadline: float
    """Until a gochat websocket's first frame: its page opens one before anybody has logged in.
    CHATCLUSTER_CONNECT_GOCHAT_AUTH_DEADLINE."""
    ping_interval: float
    """Between two pings or TCP heartbeats. CHATCLUSTER_CONNECT_PING_INTERVAL."""
    ping_timeout: float
    """Until anything at all has come from a websocket client that was pinged. CHATCLUSTER_CONNECT_PING_TIMEOUT."""
    unacknowledged: float
    """TCP_USER_TIMEOUT of TCP connections: how long the peer's kernel may acknowledge nothing of what was sent.
    CHATCLUSTER_CONNECT_TCP_USER_TIMEOUT."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One gateway."""

    name: str
    """Its own, to which each of its lives adds a nonce; a pod's name. CHATCLUSTER_CONNECT_NAME."""
    host: str
    """The address that its servers bind. CHATCLUSTER_CONNECT_HOST."""
    websocket_port: int
    """0: any free one. CHATCLUSTER_CONNECT_WEBSOCKET_PORT."""
    tcp_port: int
    """CHATCLUSTER_CONNECT_TCP_PORT."""
    grpc_port: int
    """CHATCLUSTER_CONNECT_GRPC_PORT."""
    address: str
    """host:port at which task reaches its gRPC server; empty: where that listens. CHATCLUSTER_CONNECT_ADDRESS."""
    drain: float
    """Seconds over which connections are closed after SIGTERM, at most. CHATCLUSTER_CONNECT_DRAIN_SECONDS."""
    zone: tzinfo
    """In which gochat's clients are told the time (createTime). CHATCLUSTER_CONNECT_TIME_ZONE."""
    origins: tuple[str, ...]
    """Exact Origin headers that are accepted; none: any. CHATCLUSTER_CONNECT_ALLOWED_ORIGINS."""
    proxies: Proxies
    """Whose X-Forwarded-For is believed. CHATCLUSTER_CONNECT_TRUSTED_PROXIES."""
    limits: Limits

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read them all. Raises `WrongSetting`."""
        environment = Environment(environ)
        return cls(
            name=_name(environment),
            host=environment.interface("CONNECT_HOST"),
            websocket_port=environment.integer("CONNECT_WEBSOCKET_PORT", 7000, 0, 65535),
            tcp_port=environment.integer("CONNECT_TCP_PORT", 7001, 0, 65535),
            grpc_port=environment.integer("CONNECT_GRPC_PORT", 6912, 0, 65535),
            address=environment.address("CONNECT_ADDRESS", "10.1.2.3:6912"),
            drain=environment.number("CONNECT_DRAIN_SECONDS", 45, 0, 3600),
            zone=_zone(environment),
            origins=environment.words("CONNECT_ALLOWED_ORIGINS"),
            proxies=Proxies.from_env(environ, "CONNECT_TRUSTED_PROXIES"),
            limits=_limits(environment),
        )


def _limits(environment: Environment) -> Limits:
    connecting = environment.integer("CONNECT_RATE", 500, 1, 1_000_000)
    controls = environment.integer("CONNECT_CONTROL_RATE", 10, 1, 1_000_000)
    return Limits(
        connections=environment.integer("CONNECT_MAX_CONNECTIONS", 10_000, 1, 1_000_000),
        per_user=environment.integer("CONNECT_MAX_PER_USER", 10, 1, 1_000_000),
        per_address=environment.integer("CONNECT_MAX_PER_ADDRESS", 0, 0, 1_000_000),
        connecting=Rate(connecting, connecting),
        messages=Rate(
            environment.number("CONNECT_MESSAGE_RATE", 10, 0.01, 1_000_000),
            environment.integer("CONNECT_MESSAGE_BURST", 20, 1, 1_000_000),
        ),
        controls=Rate(controls, 2 * controls),
        requests=Rate(
            environment.number("CONNECT_REQUEST_RATE", 10, 0.01, 1_000_000),
            environment.integer("CONNECT_REQUEST_BURST", 120, 1, 1_000_000),
        ),
        rooms=environment.integer("CONNECT_ROOMS_PER_CONNECTION", 100, 1, 10_000),
        v1_frame_bytes=environment.integer("CONNECT_V1_FRAME_BYTES", 32_768, 512, 2**20),
        frame_bytes=environment.integer("CONNECT_FRAME_BYTES", 4096, 512, 65_535),
        outbox_bytes=environment.integer("CONNECT_OUTBOX_BYTES", 256 * 1024, 65_536, 2**30),
        send_buffer_bytes=environment.integer("CONNECT_SEND_BUFFER_BYTES", 64 * 1024, 4096, 2**26),
        auth_deadline=environment.number("CONNECT_AUTH_DEADLINE", 5, 0.1, 3600),
        gochat_auth_deadline=environment.number("CONNECT_GOCHAT_AUTH_DEADLINE", 60, 0.1, 3600),
        ping_interval=environment.number("CONNECT_PING_INTERVAL", 54, 0.1, 3600),
        ping_timeout=environment.number("CONNECT_PING_TIMEOUT", 6, 0.1, 3600),
        unacknowledged=environment.number("CONNECT_TCP_USER_TIMEOUT", 30, 1, 3600),
    )


def _name(environment: Environment) -> str:
    name = environment.text("CONNECT_NAME", "gateway")
    if not _NAME.fullmatch(name):
        raise WrongSetting(PREFIX + "CONNECT_NAME", f"is {name!r}, expected 1 to 253 of A-Z a-z 0-9 . _ -", "connect-0")
    return name


def _zone(environment: Environment) -> tzinfo:
    name = environment.text("CONNECT_TIME_ZONE", "UTC")
    try:
        return UTC if name == "UTC" else zoneinfo.ZoneInfo(name)  # a small image has no time zone database
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as exc:
        problem = f"is {name!r}, which is no time zone of this system"
        raise WrongSetting(PREFIX + "CONNECT_TIME_ZONE", problem, "Asia/Shanghai") from exc
