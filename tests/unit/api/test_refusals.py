import pytest

from chatcluster.api import refusals
from chatcluster.core import errors


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.Invalid(), 400, {}),
        (errors.SessionEnded(), 401, {"www-authenticate": 'Bearer realm="chatcluster", error="invalid_token"'}),
        (refusals.NoToken(), 401, {"www-authenticate": 'Bearer realm="chatcluster"'}),
        (errors.WrongCredentials(), 401, {"www-authenticate": 'Bearer realm="chatcluster"'}),
        (errors.Forbidden(), 403, {}),
        (errors.NotFound(), 404, {}),
        (refusals.NoSuchPath(), 404, {}),
        (refusals.WrongMethod(["GET", "POST"]), 405, {"allow": "GET, POST"}),
        (refusals.BodyTooSlow(), 408, {}),
        (errors.NameTaken(), 409, {}),
        (errors.Conflict(), 409, {}),
        (errors.Expired(), 409, {}),
        (errors.TooManyRooms(), 409, {}),
        (refusals.BodyTooLarge(), 413, {}),
        (refusals.WrongMediaType(), 415, {}),
        (errors.RateLimited(retry_after=0.05), 429, {"retry-after": "1"}),
        (errors.RateLimited(retry_after=6.1), 429, {"retry-after": "7"}),
        (errors.Busy(), 503, {"retry-after": "1"}),
        (errors.Unavailable(), 503, {"retry-after": "1"}),
        (errors.OutcomeUnknown(), 504, {"retry-after": "1"}),
        (errors.Superseded(), 500, {}),
        (errors.ChatError(), 500, {}),
    ],
)
def test_every_error_has_its_status_and_headers(error: errors.ChatError, status: int, headers: dict[str, str]) -> None:
    """What may be tried again says when; what asks for a token says how."""
    assert (refusals.status_of(error), refusals.headers_of(error)) == (status, headers)
