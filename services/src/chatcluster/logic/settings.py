"""What logic is set up by.

Owns the variables CHATCLUSTER_LOGIC_* and their bounds. What several programs share is read by its own owner: the
cluster and the health port in core, Redis in core.redis, the log's bounds in log.settings.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from chatcluster.core.environment import Environment
from chatcluster.log import settings as log_settings
from chatcluster.logic import authentication, passwords, publishing

_YEAR = 366 * 86_400
_RETRY_PART = 0.8
"""Of the time that the log remembers a message id: 8 of 10 minutes, so that a late retry still finds it."""
_MAX_THREADS = 4
"""By default: in a container the number of cores is the whole machine's, and each thread takes 19 MiB."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One logic process."""

    host: str
    """The address that its gRPC server binds. CHATCLUSTER_LOGIC_HOST."""
    port: int
    """0: any free one. CHATCLUSTER_LOGIC_PORT."""
    drain: float
    """Seconds that calls in flight get to finish after SIGTERM; callers' deadlines are shorter.
    CHATCLUSTER_LOGIC_DRAIN_SECONDS."""
    policy: authentication.Policy
    """CHATCLUSTER_LOGIC_SESSION_TTL, _REGISTER_RATE and _LOGIN_RATE (a minute and address)."""
    cost: passwords.Cost
    """CHATCLUSTER_LOGIC_PASSWORD_MEMORY (KiB), _PASSWORD_PASSES, _PASSWORD_THREADS, _PASSWORD_QUEUE."""
    bounds: publishing.Bounds
    """CHATCLUSTER_LOGIC_TEXT_BYTES; the window for retries follows from CHATCLUSTER_LOG_IDEMPOTENCY_TTL."""
    presence_rate: int
    """Presence pushes a second and room that users may ask for; more are dropped. CHATCLUSTER_LOGIC_PRESENCE_RATE."""
    hint_rate: int
    """Hints (typing, read marks) a second that one process tells one room; more are dropped.
    CHATCLUSTER_LOGIC_HINT_RATE."""
    answer_bytes: int
    """Bytes of history in one answer, which one room's may pass; well below the 4 MiB that gRPC takes.
    CHATCLUSTER_LOGIC_ANSWER_BYTES."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read them all. Raises `WrongSetting`."""
        environment = Environment(environ)
        return cls(
            host=environment.interface("LOGIC_HOST"),
            port=environment.integer("LOGIC_PORT", 6900, 0, 65535),
            drain=environment.number("LOGIC_DRAIN_SECONDS", 10, 0, 300),
            policy=_policy(environment),
            cost=_cost(environment),
            bounds=_bounds(environment, log_settings.Settings.from_env(environ).limits.idempotency_ttl),
            presence_rate=environment.integer("LOGIC_PRESENCE_RATE", 10, 1, 1000),
            hint_rate=environment.integer("LOGIC_HINT_RATE", 20, 1, 1000),
            answer_bytes=environment.integer("LOGIC_ANSWER_BYTES", 2 * 2**20, 65_536, 2 * 2**20),
        )


def _policy(environment: Environment) -> authentication.Policy:
    default = authentication.Policy()
    return authentication.Policy(
        session_ttl=environment.number("LOGIC_SESSION_TTL", default.session_ttl, 1, _YEAR),
        registrations=environment.integer("LOGIC_REGISTER_RATE", default.registrations, 1, 1_000_000),
        logins=environment.integer("LOGIC_LOGIN_RATE", default.logins, 1, 1_000_000),
    )


def _cost(environment: Environment) -> passwords.Cost:
    default = passwords.Cost()
    return passwords.Cost(
        memory=environment.integer("LOGIC_PASSWORD_MEMORY", default.memory, 8, 2**20),
        passes=environment.integer("LOGIC_PASSWORD_PASSES", default.passes, 1, 100),
        threads=environment.integer("LOGIC_PASSWORD_THREADS", min(os.cpu_count() or 1, _MAX_THREADS), 1, 256),
        queue=environment.integer("LOGIC_PASSWORD_QUEUE", default.queue, 0, 10_000),
    )


def _bounds(environment: Environment, remembered: float) -> publishing.Bounds:
    return publishing.Bounds(
        text_bytes=environment.integer("LOGIC_TEXT_BYTES", publishing.Bounds().text_bytes, 1, 65_536),
        retry_window=remembered * _RETRY_PART,
    )
