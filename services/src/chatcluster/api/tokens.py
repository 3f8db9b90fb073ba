"""Session tokens, at the edge: from what a client shows to what the cluster knows it by.

Owns the one step in which api touches a token. Beyond it a session is the SHA-256 of its token, so that neither a log,
a metric nor Redis can give one away. Pure.
"""

import hashlib
import re

from chatcluster.api import refusals
from chatcluster.core import errors

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}=")
"""32 random bytes in base64url with padding, as logic makes them."""
_BEARER = re.compile(r"bearer +(.*)", re.IGNORECASE)


def session_of(token: str) -> bytes:
    """The session's SHA-256. Raises `errors.SessionEnded` for what cannot be a token: it needs no look-up."""
    if not _TOKEN.fullmatch(token):
        raise errors.SessionEnded
    return hashlib.sha256(token.encode()).digest()


def bearer(authorization: str | None) -> bytes:
    """The session of an Authorization header (RFC 6750). Raises `refusals.NoToken` and `errors.SessionEnded`."""
    found = _BEARER.fullmatch(authorization or "")
    if not found:
        raise refusals.NoToken
    return session_of(found[1])
