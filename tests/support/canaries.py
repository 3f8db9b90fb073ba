"""What nothing may log: secrets, and what people say.

Tokens and tickets are known by their shape. Passwords, the cluster's own secrets and the texts of whoever talks much
carry `CANARY`, and what v1's clients say is noted as it is said. Every log of a program that a test starts is searched
at the program's end; the test fails at its own (`verdict`).
"""

import re
from pathlib import Path
from typing import Final

CANARY = "canary-7f3a"
"""To be part of every password and secret of tests, and of what is said where much is."""
PASSWORD = f"password-{CANARY}"

_SHORTEST = 8
"""Characters of a text by which it is known; a shorter one may be anything."""
_MOST = 200
"""Texts of a test that are noted: every log is searched for each."""
_WORD = "[A-Za-z0-9_-]"
_TOKEN = re.compile(
    f"(?<!{_WORD})(?={_WORD}*[A-Z])(?={_WORD}*[a-z])(?={_WORD}*[0-9]){_WORD}{{43}}(?!{_WORD})|{re.escape(CANARY)}"
)
"""256 random bits in base64url, or the canary."""
_noted: Final[set[str]] = set()
_found: Final[list[str]] = []


def note(text: str) -> None:
    """Remember what somebody says until the next verdict, as long as it is not too much."""
    if len(text) >= _SHORTEST and len(_noted) < _MOST:
        _noted.add(text)


def search(name: str, text: str) -> None:
    """Look for all of it in what a program has written."""
    if _TOKEN.search(text) or any(said in text for said in _noted):
        _found.extend(f"{name}: {line[:500]}" for line in text.splitlines() if _is_telling(line))


def _is_telling(line: str) -> bool:
    return bool(_TOKEN.search(line)) or any(said in line for said in _noted)


def search_file(log: Path, start: int = 0) -> int:
    """Search a log from a byte on; returns where it ends now."""
    with log.open("rb") as file:
        file.seek(start)
        content = file.read()
    search(log.name, content.decode(errors="replace"))
    return start + len(content)


def verdict() -> None:
    """Fail if anything was found since the last verdict."""
    found, _found[:] = _found[:], []
    _noted.clear()
    assert not found, f"{len(found)} lines of logs tell what they must not: {found[:5]}"
