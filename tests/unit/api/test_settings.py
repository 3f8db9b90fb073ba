import dataclasses
import re
from pathlib import Path

import pytest

from chatcluster.api.settings import Settings
from chatcluster.api.shapes import Gateways
from chatcluster.core.environment import WrongSetting


def test_the_defaults_are_those_of_the_conventions() -> None:
    """An empty environment gives a working api."""
    settings = Settings.from_env({})
    assert (settings.host, settings.port) == ("127.0.0.1", 7070)
    assert (settings.messages.per_second, settings.messages.burst) == (10, 20)
    assert settings.bodies.limit == 65_536
    assert settings.drain >= 5


@pytest.mark.parametrize(
    ("name", "value", "path"),
    [
        ("HOST", "0.0.0.0", "host"),  # noqa: S104 - only parsed
        ("PORT", "0", "port"),
        ("DRAIN_SECONDS", "7", "drain"),
        ("MAX_CONNECTIONS", "7", "bounds.connections"),
        ("HEAD_BYTES", "2048", "bounds.head_bytes"),
        ("HEAD_COUNT", "17", "bounds.head_count"),
        ("HEAD_TIMEOUT", "0.5", "bounds.head_timeout"),
        ("IDLE_TIMEOUT", "7", "bounds.idle_timeout"),
        ("WRITE_TIMEOUT", "7", "bounds.write_timeout"),
        ("BODY_BYTES", "2048", "bodies.limit"),
        ("BODY_TIMEOUT", "0.5", "bodies.timeout"),
        ("MESSAGE_RATE", "7", "messages.per_second"),
        ("MESSAGE_BURST", "7", "messages.burst"),
        ("MESSAGE_SESSIONS", "7", "sessions"),
        ("CALL_TIMEOUT", "7", "deadlines.call"),
        ("PASSWORD_TIMEOUT", "7", "deadlines.password"),
        ("PUBLISH_TIMEOUT", "7", "deadlines.publish"),
    ],
)
def test_each_variable_sets_its_own_value(name: str, value: str, path: str) -> None:
    """One variable, one field, nothing else."""
    found: object = Settings.from_env({f"CHATCLUSTER_API_{name}": value})
    for part in path.split("."):
        found = getattr(found, part)
    assert str(found) == value or float(str(found)) == float(value)


def test_trusted_proxies_are_networks() -> None:
    """As many as there are."""
    settings = Settings.from_env({"CHATCLUSTER_API_TRUSTED_PROXIES": "10.0.0.0/8,fd00::/8"})
    assert settings.proxies.client("10.1.2.3", ["198.51.100.1"]) == "198.51.100.1"


def test_gateways_are_told_as_clients_reach_them() -> None:
    """As many as there are; none unless they are set."""
    gateways = Settings.from_env(
        {
            "CHATCLUSTER_API_WEBSOCKET_URL": "wss://chat.example.com, ws://[::1]:7000/ws",
            "CHATCLUSTER_API_TCP_ADDRESS": "chat.example.com:7001,[::1]:7001",
        }
    ).gateways
    assert gateways.websocket == ["wss://chat.example.com", "ws://[::1]:7000/ws"]
    assert gateways.tcp == ["chat.example.com:7001", "[::1]:7001"]
    assert Settings.from_env({}).gateways == Gateways([], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("MESSAGE_RATE", "0"),
        ("BODY_BYTES", "1e9"),
        ("TRUSTED_PROXIES", "ten"),
        ("WEBSOCKET_URL", "http://chat.example.com/ws"),
        ("WEBSOCKET_URL", "ws://user:password@chat.example.com/ws"),
        ("WEBSOCKET_URL", "ws://chat.example.com/ws?token=x"),
        ("TCP_ADDRESS", "chat.example.com"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    """The program stops before it listens."""
    with pytest.raises(WrongSetting, match=f"CHATCLUSTER_API_{name}"):
        Settings.from_env({f"CHATCLUSTER_API_{name}": value})


def test_every_limit_stands_in_the_table_of_limits() -> None:
    """Whoever meets a limit finds the setting that changes it; and no setting is named that does not exist."""
    root = Path(__file__).parents[3]
    table = set(re.findall(r"`(API_[A-Z_]+)`", (root / "docs/limits.md").read_text()))
    source = (root / "services/src/chatcluster/api/settings.py").read_text()
    places = {"API_HOST", "API_PORT", "API_WEBSOCKET_URL", "API_TCP_ADDRESS"}
    assert table == set(re.findall(r'"(API_[A-Z_]+)"', source)) - places


def test_settings_never_change() -> None:
    """They are read once."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.from_env({}).port = 1  # type: ignore[misc]
