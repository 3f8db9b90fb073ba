import socket

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.task import lane
from chatcluster.task.settings import Settings


def test_defaults_are_the_documented_ones() -> None:
    """Without any variable a task has its host's name, and the lanes of the documentation."""
    settings = Settings.from_env({})

    assert settings == Settings(socket.gethostname(), 256, 4, lane.Bounds(2_000, 2 * 1024 * 1024))


def test_every_bound_can_be_set() -> None:
    """Each variable reaches its own field."""
    settings = Settings.from_env(
        {
            "CHATCLUSTER_TASK_NAME": "task-7",
            "CHATCLUSTER_TASK_BATCH": "10",
            "CHATCLUSTER_TASK_ATTEMPT": "0.5",
            "CHATCLUSTER_TASK_LANE_ITEMS": "20",
            "CHATCLUSTER_TASK_LANE_BYTES": "4096",
        }
    )

    assert settings == Settings("task-7", 10, 0.5, lane.Bounds(20, 4096))


def test_two_attempts_fit_into_the_patience() -> None:
    """Else a gateway that hangs would hold its shards for longer than the ten seconds that it has."""
    with pytest.raises(WrongSetting, match="CHATCLUSTER_TASK_ATTEMPT"):
        Settings.from_env({"CHATCLUSTER_TASK_ATTEMPT": "5.5"})


def test_a_batch_fits_into_a_lane() -> None:
    """Else each would overflow it, and gateways would only ever read history."""
    assert Settings.from_env({"CHATCLUSTER_TASK_LANE_ITEMS": "100"}).batch == 100
    with pytest.raises(WrongSetting, match="CHATCLUSTER_TASK_BATCH"):
        Settings.from_env({"CHATCLUSTER_TASK_LANE_ITEMS": "100", "CHATCLUSTER_TASK_BATCH": "101"})
