from pathlib import Path

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.core.ids import check_user_name, parse_room
from chatcluster.synthetic.settings import Settings


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return what has to be set."""
    (tmp_path / "password").write_text("a-password-that-was-drawn\n")
    return {
        "CHATCLUSTER_SYNTHETIC_API": "http://demo-api:7070",
        "CHATCLUSTER_SYNTHETIC_PASSWORD_FILE": str(tmp_path / "password"),
    }


def test_only_the_api_and_the_password_have_to_be_set(environ: dict[str, str]) -> None:
    """Everything else has a default; the password is not shown."""
    settings = Settings.from_env(environ)

    assert (settings.api, settings.interval) == ("http://demo-api:7070", 5)
    assert settings.password == "a-password-that-was-drawn"
    assert settings.password not in repr(settings)


def test_the_name_follows_from_the_password_and_says_nothing_of_it(environ: dict[str, str], tmp_path: Path) -> None:
    """The same account after every start, and another one for another password; account and room can be had."""
    first = Settings.from_env(environ)
    (tmp_path / "password").write_text("another-password")
    second = Settings.from_env(environ)

    assert first.name == Settings(first.api, first.password).name != second.name
    assert check_user_name(first.name) == first.name
    assert parse_room(first.room).kind == "room"


@pytest.mark.parametrize("api", ["", "demo-api:7070", "http://demo-api:7070/v1", "ftp://demo-api", "http://"])
def test_a_wrong_api_is_refused(environ: dict[str, str], api: str) -> None:
    """With an example."""
    with pytest.raises(WrongSetting, match="^CHATCLUSTER_SYNTHETIC_API is .*=http://demo-api:7070"):
        Settings.from_env({**environ, "CHATCLUSTER_SYNTHETIC_API": api})


@pytest.mark.parametrize("interval", ["0", "301", "nan", "often"])
def test_a_wrong_interval_is_refused(environ: dict[str, str], interval: str) -> None:
    """It has bounds."""
    with pytest.raises(WrongSetting, match="^CHATCLUSTER_SYNTHETIC_INTERVAL is "):
        Settings.from_env({**environ, "CHATCLUSTER_SYNTHETIC_INTERVAL": interval})
