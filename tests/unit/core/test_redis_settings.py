from collections.abc import Callable
from pathlib import Path

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.core.redis_settings import Mode, Settings

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return what reads settings with a URL in its file."""

    def read(url: str, **environ: str) -> Settings:
        file = tmp_path / "url"
        file.write_text(url)
        prefixed = {f"CHATCLUSTER_REDIS_{name}": value for name, value in environ.items()}
        return Settings.from_env({"CHATCLUSTER_REDIS_URL_FILE": str(file), **prefixed})

    return read


def test_a_plain_url(load: Load) -> None:
    """A host is enough; everything else has a default."""
    settings = load("redis://redis")

    assert settings == Settings(nodes=(("redis", 6379),))
    assert (settings.mode, settings.tls, settings.database) == (Mode.SINGLE, False, 0)


def test_a_full_url(load: Load) -> None:
    """User, password, port and database; what is percent-encoded is decoded."""
    settings = load("rediss://a%20user:p%40ss%2Fword@[::1]:7379/3\n")

    assert settings.nodes == (("::1", 7379),)
    assert (settings.username, settings.password, settings.database) == ("a user", "p@ss/word", 3)
    assert settings.tls


def test_secrets_are_not_shown(load: Load, tmp_path: Path) -> None:
    """Neither password is in what a log line would hold."""
    (tmp_path / "other").write_text("also-secret")
    settings = load("redis+sentinel://:hidden-one@s/mymaster", SENTINEL_PASSWORD_FILE=str(tmp_path / "other"))

    assert settings.sentinel_password == "also-secret"
    assert "hidden-one" not in repr(settings)
    assert "also-secret" not in repr(settings)


def test_sentinels(load: Load) -> None:
    """Several addresses, with the port of Sentinels; the path is the name of the master."""
    settings = load("redis+sentinel://:secret@one,two:5000/mymaster")

    assert settings.mode is Mode.SENTINEL
    assert settings.nodes == (("one", 26379), ("two", 5000))
    assert (settings.sentinel_master, settings.database) == ("mymaster", 0)
    assert load("redis://one", MODE="sentinel", SENTINEL_MASTER="other").sentinel_master == "other"


def test_a_cluster(load: Load) -> None:
    """Several addresses, told by the mode."""
    settings = load("redis://one,two,three:7000", MODE="cluster")

    assert settings.mode is Mode.CLUSTER
    assert settings.nodes == (("one", 6379), ("two", 6379), ("three", 7000))


def test_bounds(load: Load) -> None:
    """Patience, and how much may be under way."""
    settings = load("redis://redis", TIMEOUT="0.5", CONCURRENCY="8")

    assert (settings.timeout, settings.concurrency) == (0.5, 8)


def test_whose_certificates_are_trusted(load: Load, tmp_path: Path) -> None:
    """A file that is there."""
    (tmp_path / "ca.crt").write_text("certificate")

    assert load("rediss://redis", CA_FILE=str(tmp_path / "ca.crt")).ca_file == str(tmp_path / "ca.crt")
    with pytest.raises(WrongSetting, match="CHATCLUSTER_REDIS_CA_FILE"):
        load("rediss://redis", CA_FILE=str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("http://:hidden@redis", "single"),
        ("redis", "single"),
        ("redis+nothing://redis", "single"),
        ("redis://:hidden@", "single"),
        ("redis://:hidden@redis:70000", "single"),
        ("redis://:hidden@redis:port", "single"),
        ("redis://:hidden@[::1", "single"),
        ("redis://:hidden@one,two", "single"),
        ("redis://:hidden@redis/name", "single"),
        ("redis://:hidden@redis/1", "cluster"),
    ],
)
def test_what_cannot_be_used(load: Load, url: str, mode: str) -> None:
    """It is refused by the name of the variable, and never quoted."""
    with pytest.raises(WrongSetting) as refused:
        load(url, MODE=mode)

    assert refused.value.name == "CHATCLUSTER_REDIS_URL_FILE"
    assert "hidden" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_sentinels_need_a_name(load: Load) -> None:
    """Without one nobody knows which master is meant."""
    with pytest.raises(WrongSetting, match="CHATCLUSTER_REDIS_SENTINEL_MASTER"):
        load("redis+sentinel://one")


def test_a_mode_that_is_none(load: Load) -> None:
    """The choice is told."""
    with pytest.raises(WrongSetting, match="single, sentinel, cluster"):
        load("redis://one", MODE="ring")
