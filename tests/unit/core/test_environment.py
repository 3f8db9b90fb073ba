from pathlib import Path

import pytest

from chatcluster.core import environment
from chatcluster.core.environment import Cluster, Environment, WrongSetting


def test_defaults_hold_for_what_is_not_set() -> None:
    """A variable that is missing, empty or blank counts as not set."""
    read = Environment({"CHATCLUSTER_B": "", "CHATCLUSTER_C": "  "})

    assert [read.text(name, "x") for name in ("A", "B", "C")] == ["x", "x", "x"]
    assert read.integer("A", 5, 0, 10) == 5
    assert read.number("B", 0.25, 0, 1) == 0.25
    assert read.flag("A", default=True) is True
    assert read.words("C", ("one", "two")) == ("one", "two")


def test_values_are_read() -> None:
    """Each kind of value is read in its plain form, without the white space around it."""
    read = Environment(
        {
            "CHATCLUSTER_TEXT": " some text ",
            "CHATCLUSTER_INTEGER": "65535",
            "CHATCLUSTER_NUMBER": "1e3",
            "CHATCLUSTER_FLAG": "No",
            "CHATCLUSTER_WORDS": "a, b,,c ",
            "CHATCLUSTER_CHOICE": "json",
        }
    )

    assert read.text("TEXT") == "some text"
    assert read.integer("INTEGER", 1, 0, 65535) == 65535
    assert read.number("NUMBER", 1, 0) == 1000.0
    assert read.flag("FLAG", default=True) is False
    assert read.words("WORDS") == ("a", "b", "c")
    assert read.choice("CHOICE", "auto", ("auto", "json")) == "json"


@pytest.mark.parametrize(
    ("host", "pod", "bound"),
    [
        ("", "", "127.0.0.1"),
        ("", "fd00::7", "127.0.0.1"),
        ("0.0.0.0", "", "0.0.0.0"),  # noqa: S104
        ("0.0.0.0", "10.1.2.3", "0.0.0.0"),  # noqa: S104
        ("0.0.0.0", "fd00::7", "::"),  # noqa: S104
        ("10.1.2.3", "fd00::7", "10.1.2.3"),
    ],
)
def test_all_interfaces_are_those_of_the_pods_family(host: str, pod: str, bound: str) -> None:
    """A template knows only one way to say "all"; in a pod of IPv6 nobody would come in by it."""
    read = Environment({"CHATCLUSTER_HOST": host, "CHATCLUSTER_POD_ADDRESS": pod})

    assert read.interface("HOST") == bound


def test_addresses_are_read() -> None:
    """With brackets around an IPv6 address, whether they stood there or not."""
    read = Environment({"CHATCLUSTER_A": "host:1", "CHATCLUSTER_B": "fd00::7:1", "CHATCLUSTER_C": "host"})

    assert [read.address(name, "host:1") for name in ("A", "B", "D")] == ["host:1", "[fd00::7]:1", ""]
    with pytest.raises(WrongSetting, match="^CHATCLUSTER_C is 'host', expected host:port"):
        read.address("C", "host:1")


@pytest.mark.parametrize("value", ["65536", "-1", "12.0", "seven", "0x10", "١٢", "9" * 5000])
def test_integers_out_of_bounds_are_refused(value: str) -> None:
    """A wrong whole number is refused by a text that names the variable, the bounds and an example."""
    with pytest.raises(WrongSetting, match=r"^CHATCLUSTER_PORT .* from 0 to 65535\. Example: CHATCLUSTER_PORT=7070$"):
        Environment({"CHATCLUSTER_PORT": value}).integer("PORT", 7070, 0, 65535)


@pytest.mark.parametrize("value", ["nan", "inf", "-0.1", "5s", "61"])
def test_numbers_out_of_bounds_are_refused(value: str) -> None:
    """A number outside its bounds, NaN and a unit are refused."""
    with pytest.raises(WrongSetting, match="CHATCLUSTER_WAIT .* from 0 to 60"):
        Environment({"CHATCLUSTER_WAIT": value}).number("WAIT", 5, 0, 60)


def test_other_wrong_values_are_refused() -> None:
    """Flags, choices and texts that must be set are refused by name, too."""
    read = Environment({"CHATCLUSTER_FLAG": "maybe", "CHATCLUSTER_CHOICE": "xml"})

    with pytest.raises(WrongSetting, match="CHATCLUSTER_FLAG .* true or false"):
        read.flag("FLAG", default=False)
    with pytest.raises(WrongSetting, match="CHATCLUSTER_CHOICE .* auto, json"):
        read.choice("CHOICE", "auto", ("auto", "json"))
    with pytest.raises(WrongSetting, match="CHATCLUSTER_NAME is not set"):
        read.text("NAME")


def test_secret_is_read_from_its_file(tmp_path: Path) -> None:
    """A secret comes from the file that the variable names, without the line's end."""
    (tmp_path / "secret").write_text("s3cret\n")

    assert Environment({"CHATCLUSTER_KEY_FILE": str(tmp_path / "secret")}).secret("KEY") == "s3cret"


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"x" * (environment.MAX_SECRET_BYTES + 1)])
def test_unusable_secret_files_are_refused(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty, binary or huge file is refused by the variable's name."""
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(WrongSetting, match="^CHATCLUSTER_KEY_FILE names"):
        Environment({"CHATCLUSTER_KEY_FILE": str(path)}).secret("KEY")


def test_cluster_is_read(tmp_path: Path) -> None:
    """The cluster has a name, a secret, and a prefix for its keys that follows from the name."""
    (tmp_path / "secret").write_text("0123456789abcdef")
    environ = {"CHATCLUSTER_CLUSTER_SECRET_FILE": str(tmp_path / "secret")}

    assert Cluster.from_env(environ) == Cluster("demo", "0123456789abcdef")
    assert Cluster.from_env({**environ, "CHATCLUSTER_CLUSTER_NAME": "shop-1"}).key_prefix == "chat:shop-1"


@pytest.mark.parametrize("name", ["Demo", "a" * 41, "a:b", "-a", "a-", "1a", "a{b}"])
def test_wrong_cluster_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name that could not name Kubernetes' objects, or that would change a key's slot, is refused."""
    (tmp_path / "secret").write_text("0123456789abcdef")
    environ = {"CHATCLUSTER_CLUSTER_SECRET_FILE": str(tmp_path / "secret"), "CHATCLUSTER_CLUSTER_NAME": name}

    with pytest.raises(WrongSetting, match="^CHATCLUSTER_CLUSTER_NAME "):
        Cluster.from_env(environ)


@pytest.mark.parametrize("secret", ["short", "with space in the middle", "ümläute-sind-keine-ASCII"])
def test_wrong_cluster_secrets_are_refused(tmp_path: Path, secret: str) -> None:
    """A secret that is too short or that gRPC metadata could not carry is refused without being shown."""
    (tmp_path / "secret").write_text(secret)

    with pytest.raises(WrongSetting, match="^CHATCLUSTER_CLUSTER_SECRET_FILE ") as refused:
        Cluster.from_env({"CHATCLUSTER_CLUSTER_SECRET_FILE": str(tmp_path / "secret")})

    assert secret not in str(refused.value)
