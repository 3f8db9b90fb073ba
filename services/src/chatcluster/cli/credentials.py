"""The session that is kept between commands.

Owns its file: `chatcluster/session.json` in XDG's folder for configuration, readable by its owner only. Does not own
logging in.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from chatcluster.cli.exits import NotLoggedIn
from chatcluster.core import errors

_PRIVATE = 0o600
_PRIVATE_FOLDER = 0o700


class Profile(msgspec.Struct, frozen=True):
    """Who is logged in, and where."""

    api: str
    token: str
    user_id: int
    user_name: str
    expires_ms: int


def path_of(environ: Mapping[str, str]) -> Path:
    """Where it is kept."""
    configured = environ.get("XDG_CONFIG_HOME", "")
    root = Path(configured) if Path(configured).is_absolute() else Path(environ.get("HOME", "/")) / ".config"
    return root / "chatcluster" / "session.json"


def save(path: Path, profile: Profile) -> None:
    """Keep it, in one step; at no moment may anybody else read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(msgspec.json.encode(profile))
    partial.replace(path)


def load(path: Path) -> Profile:
    """What was kept. Raises `NotLoggedIn`, and `errors.Forbidden` when others could have read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise errors.Forbidden(f"others can read {path}: chmod 600 it, or log in again")
        return msgspec.json.decode(path.read_bytes(), type=Profile)
    except FileNotFoundError:
        raise NotLoggedIn from None
    except (OSError, msgspec.MsgspecError) as exc:
        raise NotLoggedIn(f"{path} cannot be used ({exc})") from exc


def forget(path: Path) -> None:
    """Keep it no more."""
    path.unlink(missing_ok=True)
