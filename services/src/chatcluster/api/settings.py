"""What api is set up by.

Owns the variables CHATCLUSTER_API_* and their bounds. What several programs share is read by its own owner: the cluster
and the health port in core, where logic is in directory.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from chatcluster.api.backend import Deadlines
from chatcluster.api.bodies import Bodies
from chatcluster.api.server import Bounds
from chatcluster.api.shapes import Gateways
from chatcluster.core import addresses
from chatcluster.core.environment import PREFIX, Environment, WrongSetting
from chatcluster.core.proxies import Proxies
from chatcluster.core.rates import Rate

_MEBIBYTE = 2**20
_WEBSOCKET_URL = re.compile(r"wss?://[^\s/?#@,]+(/[^\s?#,]*)?")


@dataclass(frozen=True, slots=True)
class Settings:
    """One api process."""

    host: str
    """The address that its HTTP server binds. CHATCLUSTER_API_HOST."""
    port: int
    """0: any free one. CHATCLUSTER_API_PORT."""
    drain: float
    """Seconds that requests in flight get to finish after SIGTERM: as long as any call may take and a little more.
    CHATCLUSTER_API_DRAIN_SECONDS."""
    bounds: Bounds
    """CHATCLUSTER_API_MAX_CONNECTIONS, _HEAD_BYTES, _HEAD_COUNT, _HEAD_TIMEOUT, _IDLE_TIMEOUT, _WRITE_TIMEOUT."""
    bodies: Bodies
    """CHATCLUSTER_API_BODY_BYTES, _BODY_TIMEOUT."""
    messages: Rate
    """Of one session and replica, for whatever it has pushed to others. CHATCLUSTER_API_MESSAGE_RATE (a second),
    _MESSAGE_BURST."""
    sessions: int
    """Sessions whose rates are remembered; about 200 bytes each. CHATCLUSTER_API_MESSAGE_SESSIONS."""
    proxies: Proxies
    """Whose X-Forwarded-For is believed, as networks; nobody's by default. CHATCLUSTER_API_TRUSTED_PROXIES."""
    gateways: Gateways
    """Where clients find the gateways, as lists with commas; what one load balancer or all of them are called.
    CHATCLUSTER_API_WEBSOCKET_URL (wss://chat.example.com/ws), _TCP_ADDRESS (chat.example.com:7001)."""
    deadlines: Deadlines
    """CHATCLUSTER_API_CALL_TIMEOUT, _PASSWORD_TIMEOUT, _PUBLISH_TIMEOUT, _BLINK_TIMEOUT."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read them all. Raises `WrongSetting`."""
        environment = Environment(environ)
        return cls(
            host=environment.interface("API_HOST"),
            port=environment.integer("API_PORT", 7070, 0, 65535),
            drain=environment.number("API_DRAIN_SECONDS", 12, 0, 300),
            bounds=_bounds(environment),
            bodies=Bodies(
                limit=environment.integer("API_BODY_BYTES", 65_536, 1_024, _MEBIBYTE),
                timeout=environment.number("API_BODY_TIMEOUT", 10, 0.1, 300),
            ),
            messages=Rate(
                per_second=environment.number("API_MESSAGE_RATE", 10, 0.01, 1e6),
                burst=environment.integer("API_MESSAGE_BURST", 20, 1, 1_000_000),
            ),
            sessions=environment.integer("API_MESSAGE_SESSIONS", 10_000, 1, 10_000_000),
            proxies=Proxies.from_env(environ, "API_TRUSTED_PROXIES"),
            gateways=_gateways(environment),
            deadlines=_deadlines(environment),
        )


def _gateways(environment: Environment) -> Gateways:
    urls, places = environment.words("API_WEBSOCKET_URL"), environment.words("API_TCP_ADDRESS")
    for url in urls:
        if not _WEBSOCKET_URL.fullmatch(url):
            problem = f"is {url!r}, expected ws://host:port/ws or wss://host/ws"
            raise WrongSetting(PREFIX + "API_WEBSOCKET_URL", problem, "wss://chat.example.com/ws")
    for place in places:
        if addresses.read(place) is None:
            raise WrongSetting(PREFIX + "API_TCP_ADDRESS", f"is {place!r}, expected host:port", "chat.example.com:7001")
    return Gateways(list(urls), list(places))


def _bounds(environment: Environment) -> Bounds:
    default = Bounds()
    return Bounds(
        connections=environment.integer("API_MAX_CONNECTIONS", default.connections, 1, 1_000_000),
        head_bytes=environment.integer("API_HEAD_BYTES", default.head_bytes, 1_024, _MEBIBYTE),
        head_count=environment.integer("API_HEAD_COUNT", default.head_count, 10, 10_000),
        head_timeout=environment.number("API_HEAD_TIMEOUT", default.head_timeout, 0.1, 300),
        idle_timeout=environment.number("API_IDLE_TIMEOUT", default.idle_timeout, 0.1, 3600),
        write_timeout=environment.number("API_WRITE_TIMEOUT", default.write_timeout, 0.1, 3600),
    )


def _deadlines(environment: Environment) -> Deadlines:
    default = Deadlines()
    return Deadlines(
        call=environment.number("API_CALL_TIMEOUT", default.call, 0.1, 60),
        password=environment.number("API_PASSWORD_TIMEOUT", default.password, 0.1, 60),
        publish=environment.number("API_PUBLISH_TIMEOUT", default.publish, 0.1, 60),
        blink=environment.number("API_BLINK_TIMEOUT", default.blink, 0, 60),
    )
