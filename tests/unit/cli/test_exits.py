"""How commands end."""

import pytest

from chatcluster.cli import exits
from chatcluster.core import errors


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (errors.Invalid("no"), exits.REFUSED, ""),
        (errors.WrongCredentials(), exits.REFUSED, "register"),
        (errors.NameTaken(), exits.REFUSED, "login"),
        (errors.SessionEnded(), exits.NO_SESSION, "login"),
        (exits.NotLoggedIn(), exits.NO_SESSION, "login"),
        (errors.RateLimited(retry_after=3), exits.AWAY, "Wait 3 s"),
        (errors.Unavailable(), exits.AWAY, "http://x"),
        (errors.OutcomeUnknown(), exits.AWAY, "history"),
    ],
)
def test_an_error_has_a_code_and_advice(error: errors.ChatError, code: int, advice: str) -> None:
    """Scripts decide by the code, people by what they can do now."""
    assert exits.code_of(error) == code
    assert advice in exits.advice(error, "http://x")
