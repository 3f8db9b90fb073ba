import json

from chatcluster.api import problems
from chatcluster.core import errors
from chatcluster.frames import parts


def test_an_error_is_an_rfc_9457_problem() -> None:
    """A stable code for programs, texts for people, and never stored by a cache."""
    response = problems.refusal(errors.RateLimited("slow down", retry_after=2))
    assert json.loads(bytes(response.body)) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "code": "rate_limited",
        "detail": "slow down",
    }
    assert response.status_code == 429
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["retry-after"] == "2"
    assert response.headers["cache-control"] == "no-store"


def test_an_answer_is_never_stored_by_a_cache() -> None:
    """What one user was told is nobody else's."""
    response = problems.answer(parts.Person(3, "<你好>"), 201)
    assert (response.status_code, bytes(response.body)) == (201, '{"id":3,"name":"<你好>"}'.encode())
    assert response.headers["cache-control"] == "no-store"
    nothing = problems.nothing()
    assert (nothing.status_code, nothing.body, nothing.headers["cache-control"]) == (204, b"", "no-store")
