from pathlib import Path

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.local.settings import Port, Settings, wrong_port


def test_the_ports_by_default() -> None:
    """Without a setting every port is the documented one."""
    settings = Settings.from_env({})

    assert {(port.setting, port.number) for port in settings.ports()} == {
        ("API_PORT", 7070),
        ("WEBSOCKET_PORT", 7000),
        ("WEBSOCKET_PORT", 7010),
        ("TCP_PORT", 7001),
        ("TCP_PORT", 7011),
        ("LOGIC_PORT", 6900),
        ("LOGIC_PORT", 6901),
        ("CONNECT_PORT", 6912),
        ("CONNECT_PORT", 6913),
        *(("HEALTH_PORT", 9070 + n) for n in range(7)),
        ("REDIS_PORT", 7379),
    }


def test_every_program_has_a_health_port_of_its_own() -> None:
    """The seven health ports are given to seven programs."""
    settings = Settings.from_env({})
    parts = [("api", 0), ("logic", 0), ("connect", 0), ("connect", 1), ("task", 0), ("logic", 1), ("task", 1)]

    assert [settings.health(*part) for part in parts] == list(range(9070, 9077))


def test_ports_and_data_can_be_moved() -> None:
    """A setting moves the ports that follow from it, and the data's folder."""
    settings = Settings.from_env({"CHATCLUSTER_LOCAL_WEBSOCKET_PORT": "8000", "CHATCLUSTER_LOCAL_DATA": "/x/data"})

    assert (settings.websocket(1), settings.tcp(1), settings.data) == (8010, 7011, Path("/x/data"))


def test_two_programs_never_get_one_port() -> None:
    """Settings that lead to the same port are refused by both names."""
    with pytest.raises(WrongSetting, match="LOCAL_TCP_PORT leads to port 7070, which CHATCLUSTER_LOCAL_API_PORT"):
        Settings.from_env({"CHATCLUSTER_LOCAL_TCP_PORT": "7070"})


def test_a_wrong_port_is_told_with_both_ways_out() -> None:
    """The message names the port, the setting, and how `make` takes it."""
    text = str(wrong_port(Port(7070, "API_PORT"), "which is taken"))

    assert text.startswith("CHATCLUSTER_LOCAL_API_PORT leads to port 7070, which is taken. ")
    assert "CHATCLUSTER_LOCAL_API_PORT=7170" in text
    assert "make up API_PORT=7170" in text
