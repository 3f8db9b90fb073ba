import os
from pathlib import Path

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.local import data


def test_secrets_are_drawn_once(tmp_path: Path) -> None:
    """The cluster's secret and Redis' password stay the same over runs, and differ from each other."""
    with data.held(tmp_path / "data") as held:
        first = (held.redis_password(), held.secrets(7379).cluster.read_text())
    with data.held(tmp_path / "data") as held:
        assert (held.redis_password(), held.secrets(7379).cluster.read_text()) == first

    assert first[0] != first[1]
    assert min(map(len, first)) >= 43


def test_nobody_else_can_read_secrets(tmp_path: Path) -> None:
    """Every file with a secret in it is its owner's alone, and so is the folder."""
    with data.held(tmp_path / "data") as held:
        secrets = held.secrets(7379)
        files = [secrets.cluster, secrets.redis_url, held.prepare("requirepass x\n", "redis 7.0.15")]

        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
        assert held.root.stat().st_mode & 0o777 == 0o700


def test_the_url_follows_the_port(tmp_path: Path) -> None:
    """A port that was moved between two runs moves in the URL, too."""
    with data.held(tmp_path) as held:
        held.secrets(7379)

        assert held.secrets(8379).redis_url.read_text() == f"redis://:{held.redis_password()}@127.0.0.1:8379/0"


def test_who_wrote_is_remembered(tmp_path: Path) -> None:
    """The folder knows which server wrote there last."""
    with data.held(tmp_path) as held:
        assert held.writer is None
        held.prepare("", "valkey 9.1.2")

        assert held.writer == "valkey 9.1.2"


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    """The second to come is told who holds it; when that one is gone, it is free."""
    with data.held(tmp_path), pytest.raises(WrongSetting, match=f"process {os.getpid()} holds"), data.held(tmp_path):
        pass

    with data.held(tmp_path) as held:
        assert held.root == tmp_path


def test_a_folder_that_cannot_be_made_is_a_wrong_setting(tmp_path: Path) -> None:
    """Something else in the folder's place is told by the setting's name."""
    (tmp_path / "file").touch()

    with pytest.raises(WrongSetting, match="CHATCLUSTER_LOCAL_DATA"), data.held(tmp_path / "file" / "data"):
        pass
