"""Registering and logging in, from a terminal or a script.

Owns where a password comes from: a prompt, or the first line of stdin where that is no terminal. Never the command
line, which others can read. Does not own the file of the session (credentials).
"""

import getpass
import sys
from typing import TextIO

from chatcluster.cli import credentials
from chatcluster.cli.credentials import Profile
from chatcluster.client.answers import Opened
from chatcluster.client.rest import Rest
from chatcluster.core import errors


def password(stdin: TextIO, *, twice: bool) -> str:
    """A password; `twice` asks for it again at a terminal, since nobody sees what is typed."""
    if not stdin.isatty():
        return _given(stdin.readline().rstrip("\r\n"))
    first = _given(getpass.getpass("Password: "))
    if twice and getpass.getpass("Again: ") != first:
        raise errors.Invalid("the two passwords are not the same")
    return first


async def register(api: str, name: str) -> Profile:
    """Create an account."""
    secret = password(sys.stdin, twice=True)
    async with Rest(api) as rest:
        return _profile(api, await rest.register(name, secret))


async def log_in(api: str, name: str) -> Profile:
    """Open a session."""
    secret = password(sys.stdin, twice=False)
    async with Rest(api) as rest:
        return _profile(api, await rest.log_in(name, secret))


async def log_out(kept: Profile) -> None:
    """End a session."""
    async with Rest(kept.api, kept.token) as rest:
        await rest.log_out()


def _profile(api: str, opened: Opened) -> Profile:
    return credentials.Profile(api, opened.token, opened.user.id, opened.user.name, opened.expires_ms)


def _given(text: str) -> str:
    if not text:
        raise errors.Invalid("there is no password: type one at the prompt, or give it as the first line of stdin")
    return text
