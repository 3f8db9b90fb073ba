"""Refusals: what HTTP adds to core.errors, and every error's HTTP status.

    errors.Invalid
    ├── BodyTooLarge     413
    ├── BodyTooSlow      408
    ├── WrongMediaType   415
    ├── WrongMethod      405
    └── NoSuchPath       404
    errors.SessionEnded
    └── NoToken          401

Owns these and the table of statuses. They never leave api, which is why they are not in core. Does not own how a
refusal looks: gochat's routes and the v1 routes each have their own form.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from chatcluster.core import errors


class BodyTooLarge(errors.Invalid):
    """The body has more bytes than this server reads."""

    code: ClassVar[str] = "body_too_large"


class BodyTooSlow(errors.Invalid):
    """The body did not arrive in time."""

    code: ClassVar[str] = "body_too_slow"


class WrongMediaType(errors.Invalid):
    """The body has to be JSON: send Content-Type: application/json."""

    code: ClassVar[str] = "media_type"


class WrongMethod(errors.Invalid):
    """This path does not know this method."""

    code: ClassVar[str] = "method"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"this path knows {', '.join(allowed)}")
        self.allowed = tuple(allowed)


class NoSuchPath(errors.Invalid):
    """There is nothing at this path."""

    code: ClassVar[str] = "no_such_path"


class NoToken(errors.SessionEnded):
    """The request has no session token: send Authorization: Bearer <token>."""


INTERNAL = 500

_STATUSES: Mapping[type[errors.ChatError], int] = {
    errors.Invalid: 400,
    errors.SessionEnded: 401,
    errors.WrongCredentials: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    NoSuchPath: 404,
    WrongMethod: 405,
    BodyTooSlow: 408,
    errors.NameTaken: 409,
    errors.Conflict: 409,
    errors.Expired: 409,
    errors.TooManyRooms: 409,
    BodyTooLarge: 413,
    WrongMediaType: 415,
    errors.RateLimited: 429,
    errors.ChatError: INTERNAL,
    errors.Busy: 503,
    errors.OutcomeUnknown: 504,
}


def status_of(error: errors.ChatError) -> int:
    """The HTTP status of an error: its own class's or the nearest one's above it."""
    return next(_STATUSES[cls] for cls in type(error).__mro__ if cls in _STATUSES)


def headers_of(error: errors.ChatError) -> dict[str, str]:
    """The headers that belong to an error's status: Retry-After (in whole seconds), WWW-Authenticate, Allow."""
    if error.temporary:
        return {"retry-after": str(max(1, math.ceil(error.retry_after or 1)))}
    if isinstance(error, NoToken | errors.WrongCredentials):
        return {"www-authenticate": 'Bearer realm="chatcluster"'}
    if isinstance(error, errors.SessionEnded):
        return {"www-authenticate": 'Bearer realm="chatcluster", error="invalid_token"'}
    return {"allow": ", ".join(error.allowed)} if isinstance(error, WrongMethod) else {}
