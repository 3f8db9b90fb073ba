"""The session between commands."""

import os
from pathlib import Path

import pytest

from chatcluster.cli import credentials
from chatcluster.cli.credentials import Profile
from chatcluster.cli.exits import NotLoggedIn
from chatcluster.core import errors

ANN = Profile("http://127.0.0.1:7070", "secret-token", 1, "ann", 9)


def test_the_file_is_where_xdg_says() -> None:
    """XDG_CONFIG_HOME counts if it is absolute, else ~/.config."""
    assert credentials.path_of({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}) == Path("/x/chatcluster/session.json")
    assert credentials.path_of({"XDG_CONFIG_HOME": "x", "HOME": "/h"}) == Path("/h/.config/chatcluster/session.json")
    assert credentials.path_of({"HOME": "/h"}) == Path("/h/.config/chatcluster/session.json")


def test_a_session_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    """Whatever the umask is, and also over a file that was open to all."""
    path = tmp_path / "chatcluster" / "session.json"
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o666)
    before = os.umask(0)
    try:
        credentials.save(path, ANN)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert credentials.load(path) == ANN
    assert [each.name for each in path.parent.iterdir()] == ["session.json"]


def test_a_session_that_others_could_read_is_not_used(tmp_path: Path) -> None:
    """The error says what to do."""
    path = tmp_path / "session.json"
    credentials.save(path, ANN)
    path.chmod(0o640)

    with pytest.raises(errors.Forbidden, match="chmod 600"):
        credentials.load(path)


@pytest.mark.parametrize("content", [None, "", "{}", "[]"])
def test_without_a_usable_file_nobody_is_logged_in(tmp_path: Path, content: str | None) -> None:
    """None, an empty one, or one of something else."""
    path = tmp_path / "session.json"
    if content is not None:
        path.write_text(content)
        path.chmod(0o600)

    with pytest.raises(NotLoggedIn):
        credentials.load(path)


def test_a_forgotten_session_is_gone(tmp_path: Path) -> None:
    """As often as one likes."""
    path = tmp_path / "session.json"
    credentials.save(path, ANN)
    credentials.forget(path)
    credentials.forget(path)

    assert not path.exists()
