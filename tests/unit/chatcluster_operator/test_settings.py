import re

import pytest

from chatcluster_operator.settings import Settings, WrongSetting


def test_defaults_are_the_documented_ones() -> None:
    """Without any variable the operator watches all namespaces and runs programs of its own version."""
    given = Settings.from_env({}, "1.2.3")

    assert given.image == "chatcluster/services:1.2.3"
    assert (given.redis_image, given.namespaces) == ("", ())
    assert (given.resync, given.workers) == (60, 8)
    assert (given.health_host, given.health_port, given.log_level) == ("127.0.0.1", 9070, "info")


def test_every_variable_reaches_its_field() -> None:
    """Values are read without the white space around them."""
    given = Settings.from_env(
        {
            "CHATCLUSTER_OPERATOR_SERVICES_IMAGE": " registry/services:9 ",
            "CHATCLUSTER_OPERATOR_REDIS_IMAGE": "registry/valkey:9",
            "CHATCLUSTER_OPERATOR_NAMESPACES": "one, two,,",
            "CHATCLUSTER_OPERATOR_RESYNC_SECONDS": "3600",
            "CHATCLUSTER_OPERATOR_WORKERS": "1",
            "CHATCLUSTER_HEALTH_HOST": "10.0.0.1",
            "CHATCLUSTER_HEALTH_PORT": "0",
            "CHATCLUSTER_TELEMETRY_LEVEL": "debug",
        },
        "1.2.3",
    )

    assert (given.image, given.redis_image) == ("registry/services:9", "registry/valkey:9")
    assert given.namespaces == ("one", "two")
    assert (given.resync, given.workers) == (3600, 1)
    assert (given.health_host, given.health_port, given.log_level) == ("10.0.0.1", 0, "debug")


@pytest.mark.parametrize(("pod", "bound"), [("", "0.0.0.0"), ("10.1.2.3", "0.0.0.0"), ("fd00::7", "::")])  # noqa: S104
def test_where_there_is_only_ipv6_probes_come_in_by_that(pod: str, bound: str) -> None:
    """The chart knows only one way to say "all addresses of the pod"."""
    environ = {"CHATCLUSTER_HEALTH_HOST": "0.0.0.0", "CHATCLUSTER_POD_ADDRESS": pod}  # noqa: S104

    assert Settings.from_env(environ, "1").health_host == bound


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_variable_counts_as_not_set(value: str) -> None:
    """Templates of manifests leave such behind."""
    assert Settings.from_env({"CHATCLUSTER_OPERATOR_WORKERS": value}, "1").workers == 8


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OPERATOR_RESYNC_SECONDS", "0", "from 1 to 3600"),
        ("OPERATOR_RESYNC_SECONDS", "1.5", "from 1 to 3600"),
        ("OPERATOR_WORKERS", "-1", "from 1 to 256"),
        ("OPERATOR_WORKERS", "257", "from 1 to 256"),
        ("OPERATOR_WORKERS", "٣", "from 1 to 256"),
        ("HEALTH_PORT", "9" * 5000, "from 0 to 65535"),
        ("TELEMETRY_LEVEL", "loud", "debug, info, warning, error"),
    ],
)
def test_wrong_values_are_refused_by_name(name: str, value: str, expected: str) -> None:
    """The text has the variable, what it may be, and an example that works."""
    with pytest.raises(WrongSetting, match=f"^CHATCLUSTER_{name} is ") as refused:
        Settings.from_env({f"CHATCLUSTER_{name}": value}, "1")

    assert expected in str(refused.value)
    example = re.search(r"for example (\S+)=(\S+)$", str(refused.value))
    assert example
    assert Settings.from_env({example[1]: example[2]}, "1") == Settings.from_env({}, "1")
