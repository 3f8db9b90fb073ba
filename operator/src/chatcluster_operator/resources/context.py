"""What builders need beside the ChatCluster itself.

Owns nothing but these types. Whoever calls a builder has read the Secrets before: builders never do.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secrets:
    """Digests of what pods read from Secrets when they start; a pod whose digest changes is replaced."""

    cluster: str
    """Of the secret by which the programs know one another."""
    redis: str
    """Of the URL, the password and the certificates of Redis."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the operator adds to every ChatCluster."""

    image: str
    """Of the programs, where the spec names none: the operator's own version."""
    redis_image: str
    """Of the managed Redis instead of the schema's default; empty: that default."""
    secrets: Secrets
