"""What schemathesis has to know of this api besides the document: sessions, and what words in a format look like.

Its command line loads this by path (SCHEMATHESIS_HOOKS); nothing else imports it.
"""

import os
import unicodedata
import uuid
from typing import Any

import httpx
import schemathesis
from hypothesis import strategies as st

_BASE = os.environ["OPENAPI_TEST_URL"]


def _token() -> str:
    """Of a user of one's own."""
    who = {"name": f"fuzz-{uuid.uuid4().hex}", "password": "a password"}
    response = httpx.post(f"{_BASE}/v1/accounts", json=who, trust_env=False, timeout=30)
    response.raise_for_status()
    token: str = response.json()["token"]
    return token


class _Session:
    def get(self, _case: Any, _context: Any) -> str:
        return _token()

    def set(self, case: Any, data: str, _context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.auth(refresh_interval=None).apply_to(method="DELETE", path_regex="^/v1/sessions")
class OwnSession(_Session):
    """For what ends sessions: one that nobody else uses, each time."""


@schemathesis.auth().skip_for(method="DELETE", path_regex="^/v1/sessions")
class SharedSession(_Session):
    """For everything else."""


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


_room = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
_names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30).map(_nfc)
_texts = st.text(
    st.one_of(st.sampled_from("\n\t"), st.characters(codec="utf-8", exclude_categories=["C"])), min_size=1, max_size=900
)

schemathesis.openapi.format("room", st.one_of(_room, _room.map("room:{}".format)))
schemathesis.openapi.format("user-name", _names)
schemathesis.openapi.format("text", _texts)
schemathesis.openapi.format("password", st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
