"""How the v1 routes answer: JSON, and RFC 9457 problems.

Owns the form of v1 answers. Does not own which error has which status (refusals). A client decides by `code`, which is
stable; `title` and `detail` are for people.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from chatcluster.api import refusals
from chatcluster.core import errors

_PRIVATE = {"cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode


def answer(content: Mapping[str, Any], status: int = 200) -> Response:
    """What was asked for; never to be stored by a cache, since it is one user's."""
    return Response(_encode(content), status, _PRIVATE, media_type="application/json")


def refusal(error: errors.ChatError) -> Response:
    """The problem that an error is to a client."""
    status = refusals.status_of(error)
    problem = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": str(error),
    }
    headers = _PRIVATE | refusals.headers_of(error)
    return Response(_encode(problem), status, headers, media_type="application/problem+json")
