import pytest

from chatcluster.connect.settings import Settings
from chatcluster.core.environment import WrongSetting
from chatcluster.core.rates import Rate


def test_defaults() -> None:
    """Nothing has to be set; the values are those of the documentation."""
    settings = Settings.from_env({})

    assert (settings.websocket_port, settings.tcp_port, settings.grpc_port) == (7000, 7001, 6912)
    assert (settings.limits.connections, settings.limits.per_user, settings.limits.per_address) == (10_000, 10, 0)
    assert (settings.limits.messages, settings.limits.controls) == (Rate(10, 20), Rate(10, 20))
    assert (settings.limits.ping_interval, settings.limits.ping_timeout) == (54, 6)
    assert (settings.limits.auth_deadline, settings.limits.gochat_auth_deadline) == (5, 60)
    assert (settings.limits.outbox_bytes, settings.limits.frame_bytes) == (256 * 1024, 4096)
    assert settings.limits.connecting == Rate(500, 500)


def test_what_is_set() -> None:
    """Each variable reaches its field."""
    settings = Settings.from_env(
        {
            "CHATCLUSTER_CONNECT_NAME": "connect-0",
            "CHATCLUSTER_CONNECT_TIME_ZONE": "Asia/Shanghai",
            "CHATCLUSTER_CONNECT_ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "CHATCLUSTER_CONNECT_TRUSTED_PROXIES": "10.0.0.0/8",
            "CHATCLUSTER_CONNECT_MESSAGE_RATE": "0.5",
            "CHATCLUSTER_CONNECT_MESSAGE_BURST": "3",
        }
    )

    assert settings.name == "connect-0"
    assert str(settings.zone) == "Asia/Shanghai"
    assert settings.origins == ("https://a.example", "https://b.example")
    assert settings.proxies.client("10.1.1.1", ["203.0.113.7"]) == "203.0.113.7"
    assert settings.limits.messages == Rate(0.5, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHATCLUSTER_CONNECT_NAME", "with space"),
        ("CHATCLUSTER_CONNECT_ADDRESS", "demo-connect"),
        ("CHATCLUSTER_CONNECT_TIME_ZONE", "Mars/Olympus"),
        ("CHATCLUSTER_CONNECT_TIME_ZONE", "../etc/passwd"),
        ("CHATCLUSTER_CONNECT_TRUSTED_PROXIES", "nobody"),
        ("CHATCLUSTER_CONNECT_WEBSOCKET_PORT", "70000"),
        ("CHATCLUSTER_CONNECT_OUTBOX_BYTES", "10"),
        ("CHATCLUSTER_CONNECT_PING_INTERVAL", "0"),
    ],
)
def test_wrong_values_name_their_variable(name: str, value: str) -> None:
    """Whoever set it finds it."""
    with pytest.raises(WrongSetting, match=name):
        Settings.from_env({name: value})
