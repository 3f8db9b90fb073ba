"""What the synthetic user is set up by.

Owns the variables CHATCLUSTER_SYNTHETIC_* and their bounds, and what its account and its room are called. Where the
gateways are is read by the directory, where the verdict is reported by reporting.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from chatcluster.core.environment import PREFIX, Environment, WrongSetting

_API = re.compile(r"https?://[^\s/?#@]+/?")


@dataclass(frozen=True, slots=True)
class Settings:
    """One synthetic user."""

    api: str
    """Where the REST api is, for all replicas. CHATCLUSTER_SYNTHETIC_API."""
    password: str = field(repr=False)
    """Of its account. CHATCLUSTER_SYNTHETIC_PASSWORD_FILE."""
    interval: float = 5.0
    """Seconds between two messages. CHATCLUSTER_SYNTHETIC_INTERVAL."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read them all. Raises `WrongSetting`."""
        environment, example = Environment(environ), "http://demo-api:7070"
        api = environment.text("SYNTHETIC_API", example=example)
        if not _API.fullmatch(api):
            raise WrongSetting(PREFIX + "SYNTHETIC_API", f"is {api!r}, expected http://host:port", example)
        interval = environment.number("SYNTHETIC_INTERVAL", 5, 0.1, 300)
        return cls(api, environment.secret("SYNTHETIC_PASSWORD"), interval)

    @property
    def name(self) -> str:
        """Of the account. It follows from the password, so that each has its own, and nobody takes it before."""
        return f"synthetic-{hashlib.sha256(self.password.encode()).hexdigest()[:16]}"

    @property
    def room(self) -> str:
        """In which it talks to itself. Rooms are open, but nobody else knows its name."""
        return f"room:{self.name}"
