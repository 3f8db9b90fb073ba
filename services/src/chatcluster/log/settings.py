"""The log's bounds, from the environment.

Owns which variable sets which bound and what it may be. It lives beside the port because logic and task both build a
log and must agree on every one of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from chatcluster.core.environment import PREFIX, Environment, WrongSetting
from chatcluster.log import log

_DEFAULT = log.Limits()
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """How the log is cut up and bounded."""

    shards: int
    """How many; fixed for the life of a cluster. CHATCLUSTER_LOG_SHARDS."""
    limits: log.Limits
    """Each field is set by CHATCLUSTER_LOG_<FIELD>."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read all of them. Raises `WrongSetting`."""
        environment = Environment(environ)
        limits = _limits(environment)
        if limits.read_bytes > limits.history_bytes:
            raise WrongSetting(f"{PREFIX}LOG_READ_BYTES", "is more than LOG_HISTORY_BYTES", str(_DEFAULT.read_bytes))
        return cls(environment.integer("LOG_SHARDS", 16, 1, 4096), limits)


def _limits(environment: Environment) -> log.Limits:
    whole, number = environment.integer, environment.number
    return log.Limits(
        history_size=whole("LOG_HISTORY_SIZE", _DEFAULT.history_size, 1, 100_000),
        history_bytes=whole("LOG_HISTORY_BYTES", _DEFAULT.history_bytes, 16_384, 2**30),
        history_ttl=number("LOG_HISTORY_TTL", _DEFAULT.history_ttl, 60, 366 * _DAY),
        history_min_age=number("LOG_HISTORY_MIN_AGE", _DEFAULT.history_min_age, 0, 3600),
        idempotency_ttl=number("LOG_IDEMPOTENCY_TTL", _DEFAULT.idempotency_ttl, 60, _DAY),
        dispatch_entries=whole("LOG_DISPATCH_ENTRIES", _DEFAULT.dispatch_entries, 10, 10_000_000),
        dispatch_bytes=whole("LOG_DISPATCH_BYTES", _DEFAULT.dispatch_bytes, 65_536, 2**34),
        dispatch_retention=number("LOG_DISPATCH_RETENTION", _DEFAULT.dispatch_retention, 1, 3600),
        room_rate=number("LOG_ROOM_RATE", _DEFAULT.room_rate, 0.01, 1_000_000),
        room_burst=whole("LOG_ROOM_BURST", _DEFAULT.room_burst, 1, 1_000_000),
        rooms_per_user=whole("LOG_ROOMS_PER_USER", _DEFAULT.rooms_per_user, 1, 1_000_000),
        registration_ttl=number("LOG_REGISTRATION_TTL", _DEFAULT.registration_ttl, 600, _DAY),
        memory_fraction=number("LOG_MEMORY_FRACTION", _DEFAULT.memory_fraction, 0.1, 1),
        read_bytes=whole("LOG_READ_BYTES", _DEFAULT.read_bytes, 16_384, 2**20),
    )
