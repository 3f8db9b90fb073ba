"""How the v1 routes answer: JSON, and RFC 9457 problems.

Owns the form of v1 answers. Does not own which error has which status (refusals). A client decides by `code`, which is
stable; `title` and `detail` are for people.
"""

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from chatcluster.api import refusals, shapes
from chatcluster.core import errors

_PRIVATE = {"cache-control": "no-store"}
_encode = msgspec.json.Encoder().encode


def nothing() -> Response:
    """It is done, and there is nothing to say."""
    return Response(status_code=204, headers=_PRIVATE)


def answer(content: msgspec.Struct, status: int = 200) -> Response:
    """What was asked for; never to be stored by a cache, since it is one user's."""
    return Response(_encode(content), status, _PRIVATE, media_type="application/json")


def refusal(error: errors.ChatError) -> Response:
    """The problem that an error is to a client."""
    status = refusals.status_of(error)
    problem = shapes.Problem("about:blank", HTTPStatus(status).phrase, status, error.code, str(error))
    headers = _PRIVATE | refusals.headers_of(error)
    return Response(_encode(problem), status, headers, media_type="application/problem+json")
