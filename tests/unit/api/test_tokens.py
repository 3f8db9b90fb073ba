import base64
import hashlib

import pytest
from hypothesis import given, strategies as st

from chatcluster.api import refusals, tokens
from chatcluster.core import errors


@given(st.binary(min_size=32, max_size=32))
def test_a_token_s_session_is_its_sha256(random: bytes) -> None:
    """Every token that logic can make is known by its hash, in both ways of showing it."""
    token = base64.urlsafe_b64encode(random).decode()
    session = hashlib.sha256(token.encode()).digest()
    assert tokens.session_of(token) == session
    assert tokens.bearer(f"Bearer {token}") == tokens.bearer(f"bearer  {token}") == session


@given(st.text(max_size=4096) | st.from_regex(r"[A-Za-z0-9_-]{40,48}={0,2}\n?", fullmatch=True))
def test_any_other_text_is_an_unknown_session(text: str) -> None:
    """Tokens of any bytes and length need no look-up to be refused."""
    if len(text) != 44:
        with pytest.raises(errors.SessionEnded):
            tokens.session_of(text)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic dTpw", "token"])
def test_a_header_without_a_token_is_told_apart(header: str | None) -> None:
    """RFC 6750 tells a missing token from a wrong one."""
    with pytest.raises(refusals.NoToken):
        tokens.bearer(header)
