"""What `make up` is set up by.

Owns the variables CHATCLUSTER_LOCAL_* and which port each program gets. Does not own the programs' own variables: they
are handed through, so that CHATCLUSTER_CONNECT_RATE=1000 holds for both gateways.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from chatcluster.core.environment import PREFIX, Environment, WrongSetting

EACH = 2
"""How many of logic, task and gateway run."""
_HEALTH_OFFSETS = {"api": (0,), "logic": (1, 5), "connect": (2, 3), "task": (4, 6)}


class Port(NamedTuple):
    """A port on loopback, and the setting that moves it."""

    number: int
    setting: str


@dataclass(frozen=True, slots=True)
class Settings:
    """One machine's ChatCluster. Every port is on 127.0.0.1."""

    api_port: int
    """Of the REST api. CHATCLUSTER_LOCAL_API_PORT."""
    websocket_port: int
    """Of the first gateway; the second has it 10 higher. CHATCLUSTER_LOCAL_WEBSOCKET_PORT."""
    tcp_port: int
    """Likewise. CHATCLUSTER_LOCAL_TCP_PORT."""
    logic_port: int
    """Of the first logic's gRPC; the second has the next one. CHATCLUSTER_LOCAL_LOGIC_PORT."""
    connect_port: int
    """Of the first gateway's gRPC; the second has the next one. CHATCLUSTER_LOCAL_CONNECT_PORT."""
    health_port: int
    """The first of seven for health and metrics. CHATCLUSTER_LOCAL_HEALTH_PORT."""
    redis_port: int
    """CHATCLUSTER_LOCAL_REDIS_PORT."""
    redis_server: str
    """A redis-server or valkey-server program; empty: the system's, else the wheel's.
    CHATCLUSTER_LOCAL_REDIS_SERVER."""
    data: Path
    """The folder that is kept between runs. CHATCLUSTER_LOCAL_DATA."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read them all. Raises `WrongSetting`, also when two programs would get the same port."""
        environment = Environment(environ)

        def port(name: str, default: int) -> int:
            return environment.integer(f"LOCAL_{name}", default, 1024, 65_500)

        settings = cls(
            api_port=port("API_PORT", 7070),
            websocket_port=port("WEBSOCKET_PORT", 7000),
            tcp_port=port("TCP_PORT", 7001),
            logic_port=port("LOGIC_PORT", 6900),
            connect_port=port("CONNECT_PORT", 6912),
            health_port=port("HEALTH_PORT", 9070),
            redis_port=port("REDIS_PORT", 7379),
            redis_server=environment.text("LOCAL_REDIS_SERVER", ""),
            data=Path(environment.text("LOCAL_DATA", ".data")).absolute(),
        )
        _check_distinct(settings.ports())
        return settings

    def ports(self) -> list[Port]:
        """All ports that will be listened on."""
        return [
            Port(self.api_port, "API_PORT"),
            *(Port(self.websocket(n), "WEBSOCKET_PORT") for n in range(EACH)),
            *(Port(self.tcp(n), "TCP_PORT") for n in range(EACH)),
            *(Port(self.logic(n), "LOGIC_PORT") for n in range(EACH)),
            *(Port(self.connect(n), "CONNECT_PORT") for n in range(EACH)),
            *(Port(self.health_port + n, "HEALTH_PORT") for n in range(1 + 3 * EACH)),
            Port(self.redis_port, "REDIS_PORT"),
        ]

    def websocket(self, index: int) -> int:
        """The websocket port of that gateway."""
        return self.websocket_port + 10 * index

    def tcp(self, index: int) -> int:
        """The TCP port of that gateway."""
        return self.tcp_port + 10 * index

    def logic(self, index: int) -> int:
        """The gRPC port of that logic."""
        return self.logic_port + index

    def connect(self, index: int) -> int:
        """The gRPC port of that gateway."""
        return self.connect_port + index

    def health(self, part: str, index: int) -> int:
        """The health port of that program."""
        return self.health_port + _HEALTH_OFFSETS[part][index]


def wrong_port(port: Port, problem: str, target: str = "up") -> WrongSetting:
    """What to tell somebody about a port that cannot be used: which, why, and both ways to choose another one."""
    example = f"{port.number + 100}   (or: make {target} {port.setting}={port.number + 100})"
    return WrongSetting(f"{PREFIX}LOCAL_{port.setting}", f"leads to port {port.number}, {problem}", example)


def _check_distinct(ports: list[Port]) -> None:
    owners: dict[int, str] = {}
    for port in ports:
        if port.number in owners:
            raise wrong_port(port, f"which {PREFIX}LOCAL_{owners[port.number]} leads to as well")
        owners[port.number] = port.setting
