"""What the operator is set up by: variables CHATCLUSTER_OPERATOR_* of its environment, read once.

Owns reading and checking them. The programs' own reader is not used here: operator and services share no code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PREFIX = "CHATCLUSTER_"


class WrongSetting(Exception):
    """A variable cannot be used. The text has its name, what is wrong, and an example."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One operator."""

    image: str
    """Of the programs, where a ChatCluster names none. CHATCLUSTER_OPERATOR_SERVICES_IMAGE."""
    redis_image: str
    """Of the managed Redis, instead of the schema's default; empty: that. CHATCLUSTER_OPERATOR_REDIS_IMAGE."""
    namespaces: tuple[str, ...]
    """Those to watch, separated by commas; empty: all. CHATCLUSTER_OPERATOR_NAMESPACES."""
    resync: int
    """Seconds between two looks at a ChatCluster to which nothing happens: how long an event that got lost can cost.
    CHATCLUSTER_OPERATOR_RESYNC_SECONDS."""
    workers: int
    """How many ChatClusters are looked at at once. CHATCLUSTER_OPERATOR_WORKERS."""
    health_host: str
    """The address that metrics and probes are bound to; 0.0.0.0 is `::` in a pod whose CHATCLUSTER_POD_ADDRESS is one
    of IPv6. CHATCLUSTER_HEALTH_HOST."""
    health_port: int
    """Of metrics and probes. CHATCLUSTER_HEALTH_PORT."""
    log_level: str
    """CHATCLUSTER_TELEMETRY_LEVEL."""
    report_file: str
    """Where to say, as JSON in one step, that everything was listed, with the process' id and the port of metrics;
    empty: nowhere. CHATCLUSTER_RUNNER_REPORT_FILE."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], version: str) -> Self:
        """Read them all. Raises `WrongSetting`."""
        read = _Reader(environ)
        return cls(
            image=read.text("OPERATOR_SERVICES_IMAGE", f"chatcluster/services:{version}"),
            redis_image=read.text("OPERATOR_REDIS_IMAGE", ""),
            namespaces=tuple(filter(None, (name.strip() for name in read.text("OPERATOR_NAMESPACES", "").split(",")))),
            resync=read.integer("OPERATOR_RESYNC_SECONDS", 60, 1, 3600),
            workers=read.integer("OPERATOR_WORKERS", 8, 1, 256),
            health_host=read.interface("HEALTH_HOST"),
            health_port=read.integer("HEALTH_PORT", 9070, 0, 65_535),
            log_level=read.choice("TELEMETRY_LEVEL", "info", ("debug", "info", "warning", "error")),
            report_file=read.text("RUNNER_REPORT_FILE", ""),
        )


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(PREFIX + name, "").strip() or default

    def interface(self, name: str) -> str:
        host = self.text(name, "127.0.0.1")
        return "::" if host == "0.0.0.0" and ":" in self.text("POD_ADDRESS", "") else host  # noqa: S104 - asked for

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if not (re.fullmatch(r"[0-9]{1,9}", text) and least <= int(text) <= most):
            expected = f"expected a whole number from {least} to {most}"
            raise WrongSetting(f"{PREFIX}{name} is {text!r}, {expected}; for example {PREFIX}{name}={default}")
        return int(text)

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        text = self.text(name, default)
        if text not in choices:
            expected = f"expected one of {', '.join(choices)}"
            raise WrongSetting(f"{PREFIX}{name} is {text!r}, {expected}; for example {PREFIX}{name}={default}")
        return text
