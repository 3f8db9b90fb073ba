"""How each of the four programs is started on one machine: its command and its environment.

Owns the environment contract as seen from outside, the same that a cluster's manifests keep. Does not own processes.
Pure; the tests start their systems by the same functions, with port 0 for any free one.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Secrets:
    """The files that hold a cluster's secrets."""

    cluster: Path
    """By which its programs know one another."""
    redis_url: Path
    """Where Redis is, with the password."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to run."""

    name: str
    """Unique on this machine: the part and a number."""
    command: tuple[str, ...]
    environ: Mapping[str, str]
    """What is set beside the environment that it inherits."""


def api(
    secrets: Secrets,
    index: int,
    logic: Sequence[str],
    *,
    port: int,
    health: int,
    gateways: Sequence[tuple[int, int]] = (),
) -> Program:
    """One REST api, with the addresses of logic; it tells clients of `gateways`, the ports of websocket and TCP."""
    return _program(
        "api",
        index,
        secrets,
        health,
        DIRECTORY_LOGIC=",".join(logic),
        API_HOST="127.0.0.1",
        API_PORT=port,
        API_WEBSOCKET_URL=",".join(f"ws://127.0.0.1:{websocket}/ws" for websocket, _ in gateways),
        API_TCP_ADDRESS=",".join(f"127.0.0.1:{tcp}" for _, tcp in gateways),
    )


def logic(secrets: Secrets, index: int, *, port: int, health: int) -> Program:
    """One logic."""
    redis = str(secrets.redis_url)
    return _program("logic", index, secrets, health, REDIS_URL_FILE=redis, LOGIC_HOST="127.0.0.1", LOGIC_PORT=port)


def connect(secrets: Secrets, index: int, logic: Sequence[str], *, ports: tuple[int, int, int], health: int) -> Program:
    """One gateway; `ports` are those of websocket, TCP and gRPC."""
    websocket, tcp, grpc = ports
    return _program(
        "connect",
        index,
        secrets,
        health,
        DIRECTORY_LOGIC=",".join(logic),
        CONNECT_NAME=f"connect-{index}",
        CONNECT_HOST="127.0.0.1",
        CONNECT_WEBSOCKET_PORT=websocket,
        CONNECT_TCP_PORT=tcp,
        CONNECT_GRPC_PORT=grpc,
    )


def task(secrets: Secrets, index: int, *, health: int) -> Program:
    """One task."""
    return _program("task", index, secrets, health, REDIS_URL_FILE=str(secrets.redis_url), TASK_NAME=f"task-{index}")


def _program(part: str, index: int, secrets: Secrets, health: int, **variables: str | int) -> Program:
    shared: dict[str, str | int] = {
        "CLUSTER_SECRET_FILE": str(secrets.cluster),
        "HEALTH_HOST": "127.0.0.1",
        "HEALTH_PORT": health,
    }
    environ = {f"CHATCLUSTER_{name}": str(value) for name, value in (shared | variables).items()}
    # -P: the folder it is started in never shadows a module.
    return Program(f"{part}-{index}", (sys.executable, "-P", "-m", f"chatcluster.{part}"), environ)
