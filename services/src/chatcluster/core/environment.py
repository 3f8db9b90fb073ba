"""The environment variables that a program is set up by.

Owns how a variable is read, bounded and refused, and the two settings that every program of a cluster shares. Does
not own which variables a program has: that is each program's `settings.py`. It lives in core so that every wrong value
is refused in the same words.

Names are given without the prefix: `environment.integer("API_PORT", 7070, 0, 65535)` reads CHATCLUSTER_API_PORT. A
variable that is set to nothing counts as not set, as templates of manifests leave them. Durations are in seconds, sizes
in bytes, as plain numbers. Secrets are only ever read from files.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chatcluster.core import addresses

PREFIX = "CHATCLUSTER_"
MAX_SECRET_BYTES = 64 * 1024

_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_CLUSTER_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_CLUSTER_SECRET = re.compile(r"[\x21-\x7e]{16,1024}")


class WrongSetting(Exception):
    """A variable that cannot be used. Its text names the variable, what is wrong, and an example."""

    def __init__(self, name: str, problem: str, example: str) -> None:
        super().__init__(f"{name} {problem}. Example: {name}={example}")
        self.name = name


class Environment:
    """Reads variables. Every method raises `WrongSetting` for a value that it does not accept."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str | None = None, example: str = "some-text") -> str:
        """A text, without the white space around it; without a default it must be set."""
        value = self._environ.get(PREFIX + name, "").strip() or default
        if value is None:
            raise WrongSetting(PREFIX + name, "is not set", example)
        return value

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        """A whole number from `minimum` to `maximum`, both included."""
        text = self.text(name, str(default))
        value = int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None
        if value is None or not minimum <= value <= maximum:
            problem = f"is {text!r}, expected a whole number from {minimum} to {maximum}"
            raise WrongSetting(PREFIX + name, problem, str(default))
        return value

    def number(self, name: str, default: float, minimum: float, maximum: float = math.inf) -> float:
        """A number from `minimum` to `maximum`, both included; never NaN."""
        text = self.text(name, f"{default:g}")
        value = _float(text)
        if not minimum <= value <= maximum:
            problem = f"is {text!r}, expected a number from {minimum:g} to {maximum:g}"
            raise WrongSetting(PREFIX + name, problem, f"{default:g}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """Whether something is on: true or false, yes or no, 1 or 0."""
        text = self.text(name, str(default)).lower()
        if text not in _FLAGS:
            raise WrongSetting(PREFIX + name, f"is {text!r}, expected true or false", str(default).lower())
        return _FLAGS[text]

    def words(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The parts of a list with commas, without white space around them and without empty ones."""
        return tuple(word.strip() for word in self.text(name, ",".join(default)).split(",") if word.strip())

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of a few words."""
        text = self.text(name, default)
        if text not in choices:
            raise WrongSetting(PREFIX + name, f"is {text!r}, expected one of {', '.join(choices)}", default)
        return text

    def interface(self, name: str) -> str:
        """The address that a server binds; by default 127.0.0.1, which leads to nobody else.

        0.0.0.0 is all of the pod's: in one that has an IPv6 address (CHATCLUSTER_POD_ADDRESS) these are `::`.
        """
        host = self.text(name, "127.0.0.1")
        is_ipv6 = host == "0.0.0.0" and ":" in self.text("POD_ADDRESS", "")  # noqa: S104 - asked for
        return "::" if is_ipv6 else host

    def address(self, name: str, example: str) -> str:
        """host:port of another server, an IPv6 address with or without brackets; empty where it is not set."""
        text = self.text(name, "")
        address = addresses.read(text) if text else ""
        if address is None:
            raise WrongSetting(PREFIX + name, f"is {text!r}, expected host:port", example)
        return address

    def secret(self, name: str) -> str:
        """What stands in the file that `<name>_FILE` names, without the white space around it; at most 64 KiB."""
        variable = f"{name}_FILE"
        path = self.text(variable, example="/run/secrets/chatcluster/secret")
        try:
            content = _head(Path(path)).decode().strip()
        except (OSError, UnicodeDecodeError) as exc:
            problem = f"names a file that cannot be read ({path}: {exc})"
            raise WrongSetting(PREFIX + variable, problem, "/run/secrets/chatcluster/secret") from exc
        if not content:
            raise WrongSetting(PREFIX + variable, f"names an empty file ({path})", "/run/secrets/chatcluster/secret")
        return content


@dataclass(frozen=True, slots=True)
class Cluster:
    """What all programs of one ChatCluster share."""

    name: str
    """Of the ChatCluster; at most 40 characters, so that names of children fit a label of DNS."""
    secret: str
    """By which its programs know one another; 16 to 1,024 visible ASCII characters, as gRPC metadata carries it."""

    @property
    def key_prefix(self) -> str:
        """What every key in Redis starts with: several ChatClusters may share one."""
        return f"chat:{self.name}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read CHATCLUSTER_CLUSTER_NAME (default demo) and CHATCLUSTER_CLUSTER_SECRET_FILE."""
        environment = Environment(environ)
        name = environment.text("CLUSTER_NAME", "demo")
        if not _CLUSTER_NAME.fullmatch(name):
            problem = f"is {name!r}, expected 1 to 40 of a-z, 0-9 and -, beginning with a letter and not ending with -"
            raise WrongSetting(PREFIX + "CLUSTER_NAME", problem, "demo")
        secret = environment.secret("CLUSTER_SECRET")
        if not _CLUSTER_SECRET.fullmatch(secret):
            problem = "names a file that does not hold 16 to 1024 visible ASCII characters"
            raise WrongSetting(PREFIX + "CLUSTER_SECRET_FILE", problem, "/run/secrets/chatcluster/secret")
        return cls(name, secret)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise OSError(f"more than {MAX_SECRET_BYTES} bytes")
    return content
