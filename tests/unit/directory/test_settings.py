from pathlib import Path

import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.directory.settings import Settings

SERVICE = "CHATCLUSTER_DIRECTORY_LOGIC_SERVICE"
POD = {
    SERVICE: "demo-logic:grpc",
    "CHATCLUSTER_DIRECTORY_NAMESPACE": "chat",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


def test_a_pod_knows_where_to_ask_for_what() -> None:
    """The Service and its port from our variable, the API server from those that every pod has."""
    settings = Settings.from_env(POD, "LOGIC")

    assert (settings.target.service, settings.port, settings.target.namespace) == ("demo-logic", "grpc", "chat")
    assert settings.target.url == "https://10.96.0.1:443"
    assert settings.account.folder == Path("/var/run/secrets/kubernetes.io/serviceaccount")


def test_an_ipv6_api_server_gets_brackets() -> None:
    """KUBERNETES_SERVICE_HOST has none."""
    assert (
        Settings.from_env({**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, "LOGIC").target.url == "https://[fd00::1]:443"
    )


def test_the_namespace_is_the_pods_own_by_default(tmp_path: Path) -> None:
    """It stands beside the token."""
    (tmp_path / "namespace").write_text("chat-of-mine\n")
    environ = {**POD, "CHATCLUSTER_DIRECTORY_NAMESPACE": "", "CHATCLUSTER_DIRECTORY_ACCOUNT": str(tmp_path)}

    settings = Settings.from_env(environ, "LOGIC")

    assert (settings.target.namespace, settings.account.folder) == ("chat-of-mine", tmp_path)


@pytest.mark.parametrize(
    "value", ["demo-logic", ":grpc", "demo-logic:", "Demo:grpc", "a/b:grpc", "a:b:c", "a,b=c:grpc"]
)
def test_a_wrong_service_is_refused(value: str) -> None:
    """It goes into a path and a selector: anything but names is refused, with an example."""
    with pytest.raises(WrongSetting, match=f"^{SERVICE} is .*demo-logic:grpc"):
        Settings.from_env({**POD, SERVICE: value}, "LOGIC")


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"])
def test_outside_a_pod_there_is_nobody_to_ask(missing: str) -> None:
    """The program stops and says why."""
    with pytest.raises(WrongSetting, match=f"^{SERVICE} is only for pods"):
        Settings.from_env({**POD, missing: ""}, "LOGIC")


@pytest.mark.parametrize("value", ["", "../secrets", "Chat", "a" * 64])
def test_a_wrong_namespace_is_refused(tmp_path: Path, value: str) -> None:
    """None at all, when the service account does not say one, or none that can be one."""
    environ = {**POD, "CHATCLUSTER_DIRECTORY_NAMESPACE": value, "CHATCLUSTER_DIRECTORY_ACCOUNT": str(tmp_path)}

    with pytest.raises(WrongSetting, match="^CHATCLUSTER_DIRECTORY_NAMESPACE is "):
        Settings.from_env(environ, "LOGIC")
