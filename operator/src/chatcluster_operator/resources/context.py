"""What builders need beside the ChatCluster itself.

Owns nothing but these types. Whoever calls a builder has read the Secrets before: builders never do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chatcluster_operator.spec import Component


@dataclass(frozen=True, slots=True)
class Secrets:
    """Digests of what pods read from Secrets when they start; a pod whose digest changes is replaced."""

    cluster: str
    """Of the secret by which the programs know one another."""
    redis: str
    """Of the URL, the password and the certificates of Redis."""
    synthetic: str = ""
    """Of the synthetic user's password; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A number of pods that an autoscaler left behind, and that counts instead of the spec's (scaling)."""

    replicas: int
    instead_of: str
    """The spec's number while the autoscaler was there; empty if nobody wrote it down."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the operator adds to every ChatCluster."""

    image: str
    """Of the programs, where the spec names none: the operator's own version."""
    redis_image: str
    """Of the managed Redis instead of the schema's default; empty: that default."""
    secrets: Secrets
    kept: Mapping[Component, Kept] = field(default_factory=dict)
    """The programs whose number of pods is the one at which their autoscaler left them."""
