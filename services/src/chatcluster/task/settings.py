"""What a task is set up by.

Owns the variables CHATCLUSTER_TASK_* and their bounds. What several programs share is read by its own owner: the
cluster and the health port in core, Redis in core.redis, the log's bounds in log.settings.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from chatcluster.core.environment import Environment
from chatcluster.task import dispatch, lane


@dataclass(frozen=True, slots=True)
class Settings:
    """One task process."""

    name: str
    """Its own among the tasks of the cluster; a pod's name. Two tasks of one name would share their shards' fate: each
    process adds a nonce. CHATCLUSTER_TASK_NAME; default: the host's name."""
    batch: int
    """Entries of a shard that are read at once; never more than a lane holds, which they would overflow at once.
    CHATCLUSTER_TASK_BATCH."""
    attempt: float
    """Seconds that a gateway has to answer one Deliver; so many that two attempts fit into the time after which it is
    passed over. CHATCLUSTER_TASK_ATTEMPT."""
    lane: lane.Bounds
    """CHATCLUSTER_TASK_LANE_ITEMS and CHATCLUSTER_TASK_LANE_BYTES."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read them all. Raises `WrongSetting`."""
        environment = Environment(environ)
        default = lane.Bounds()
        items = environment.integer("TASK_LANE_ITEMS", default.items, 1, 1_000_000)
        return cls(
            name=environment.text("TASK_NAME", socket.gethostname()),
            batch=environment.integer("TASK_BATCH", min(256, items), 1, min(5_000, items)),
            attempt=environment.number("TASK_ATTEMPT", 4, 0.1, dispatch.PATIENCE / dispatch.ATTEMPTS),
            lane=lane.Bounds(
                items=items,
                bytes=environment.integer("TASK_LANE_BYTES", default.bytes, 1024, 2**30),
            ),
        )
