"""What happens to a client, as its core tells it.

Owns these types. Does not own when one happens (protocol) nor who is told (client). Pure.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from chatcluster.client.items import Session
from chatcluster.core import errors


class Phase(Enum):
    """How far it is."""

    AWAY = "waiting to connect"
    AUTHENTICATING = "asking to be let in"
    OPEN = "connected"
    OVER = "closed for good"


@dataclass(frozen=True, slots=True)
class Answered:
    """A call ended well; `value` is its answer, as the application sees it."""

    key: int
    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """A call ended in an error."""

    key: int
    error: errors.ChatError


@dataclass(frozen=True, slots=True)
class Changed:
    """The client was let in, or lost its connection (`error` says why, `wait` for how long), or is over."""

    phase: Phase
    session: Session | None = None
    error: errors.ChatError | None = None
    wait: float = 0.0


Event = Answered | Failed | Changed
