"""Where Redis is, from the environment.

Owns the variables CHATCLUSTER_REDIS_* and the form of a Redis address. The address is a secret, as it holds a password:
it comes from a file, and no error ever quotes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

from chatcluster.core.environment import PREFIX, Environment, WrongSetting

EXAMPLE = "redis://:password@redis:6379/0"
_URL = f"{PREFIX}REDIS_URL_FILE"
_PORTS = {"single": 6379, "cluster": 6379, "sentinel": 26379}


class Mode(StrEnum):
    """Who knows where the master is."""

    SINGLE = "single"
    """The address is the master's, or is kept pointing at it from outside."""
    SENTINEL = "sentinel"
    """Sentinels: the addresses are theirs."""
    CLUSTER = "cluster"
    """A Redis Cluster, of which at least one of the addresses answers."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How Redis is reached."""

    nodes: tuple[tuple[str, int], ...]
    """Hosts and ports: one in single mode, one or more otherwise."""
    mode: Mode = Mode.SINGLE
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    """Always 0 in a Redis Cluster."""
    tls: bool = False
    ca_file: str | None = None
    """Whose certificates are trusted; None: the system's. CHATCLUSTER_REDIS_CA_FILE."""
    sentinel_master: str = ""
    """The name by which the Sentinels know the master. CHATCLUSTER_REDIS_SENTINEL_MASTER, or the URL's path."""
    sentinel_password: str | None = field(default=None, repr=False)
    """The Sentinels' own. CHATCLUSTER_REDIS_SENTINEL_PASSWORD_FILE."""
    timeout: float = 3.0
    """Seconds that an operation may take before its outcome counts as unknown. Above the 2 s for which a server with
    appendfsync everysec may hold writes back. CHATCLUSTER_REDIS_TIMEOUT."""
    concurrency: int = 256
    """Operations that one process may have under way. CHATCLUSTER_REDIS_CONCURRENCY."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read CHATCLUSTER_REDIS_URL_FILE and the others that the fields name. Raises `WrongSetting`.

        `redis://` and `rediss://` (TLS), with `[user:password@]`, one or more `host[:port]` joined by commas, and
        `/database`; with `+sentinel` after the scheme they are Sentinels and the path is the master's name. A Redis
        Cluster is told by CHATCLUSTER_REDIS_MODE=cluster.
        """
        environment = Environment(environ)
        url = _split(environment.secret("REDIS_URL"))
        scheme, _, kind = url.scheme.partition("+")
        if scheme not in ("redis", "rediss") or kind not in ("", "sentinel"):
            raise WrongSetting(_URL, "holds no URL that begins with redis://, rediss:// or redis+sentinel://", EXAMPLE)
        mode = Mode(environment.choice("REDIS_MODE", kind or "single", tuple(Mode)))
        path = unquote(url.path.strip("/"))
        return cls(
            nodes=_nodes(url, mode),
            mode=mode,
            username=unquote(url.username or "") or None,
            password=unquote(url.password or "") or None,
            database=_database(path, mode),
            tls=scheme == "rediss",
            ca_file=_ca_file(environment),
            sentinel_master=_master(environment, path) if mode is Mode.SENTINEL else "",
            sentinel_password=_optional_secret(environment, environ, "REDIS_SENTINEL_PASSWORD"),
            timeout=environment.number("REDIS_TIMEOUT", 3, 0.1, 60),
            concurrency=environment.integer("REDIS_CONCURRENCY", 256, 1, 4096),
        )


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        # urlsplit's own words quote the URL, and so would the cause.
        raise WrongSetting(_URL, "holds no URL", EXAMPLE) from None


def _nodes(url: SplitResult, mode: Mode) -> tuple[tuple[str, int], ...]:
    hosts = url.netloc.rpartition("@")[2].split(",")
    nodes = tuple(_node(host, _PORTS[mode]) for host in hosts)
    if mode is Mode.SINGLE and len(nodes) > 1:
        raise WrongSetting(_URL, "has several addresses, which only sentinels and a cluster may have", EXAMPLE)
    return nodes


def _node(text: str, default_port: int) -> tuple[str, int]:
    host = _split(f"//{text}")
    try:
        name, port = host.hostname, host.port
    except ValueError:
        raise WrongSetting(_URL, "has a port that is no number from 0 to 65535", EXAMPLE) from None
    if not name:
        raise WrongSetting(_URL, "has an address without a host", EXAMPLE)
    return name, port or default_port


def _database(path: str, mode: Mode) -> int:
    if mode is Mode.SENTINEL or not path:
        return 0
    if not path.isascii() or not path.isdigit() or (mode is Mode.CLUSTER and int(path)):
        raise WrongSetting(_URL, "has a path that is no database (a Redis Cluster has only 0)", EXAMPLE)
    return int(path)


def _master(environment: Environment, path: str) -> str:
    return environment.text("REDIS_SENTINEL_MASTER", path or None, "mymaster")


def _ca_file(environment: Environment) -> str | None:
    path = environment.text("REDIS_CA_FILE", "-")
    if path == "-":
        return None
    if not Path(path).is_file():
        raise WrongSetting(f"{PREFIX}REDIS_CA_FILE", f"names no file ({path})", "/run/secrets/redis/ca.crt")
    return path


def _optional_secret(environment: Environment, environ: Mapping[str, str], name: str) -> str | None:
    return environment.secret(name) if environ.get(f"{PREFIX}{name}_FILE") else None
