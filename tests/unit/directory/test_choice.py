import pytest

from chatcluster.core.environment import WrongSetting
from chatcluster.directory import choice
from chatcluster.directory.kubernetes import KubernetesDirectory
from chatcluster.directory.static import StaticDirectory

FIXED = {"CHATCLUSTER_DIRECTORY_LOGIC": "127.0.0.1:6900"}
SERVICE = {
    "CHATCLUSTER_DIRECTORY_LOGIC_SERVICE": "demo-logic:grpc",
    "CHATCLUSTER_DIRECTORY_NAMESPACE": "chat",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
}


async def test_the_variable_that_is_set_chooses() -> None:
    """A list is a list, a Service is looked for in Kubernetes; a variable set to nothing is not set."""
    assert isinstance(choice.from_env(FIXED, "LOGIC"), StaticDirectory)
    assert isinstance(choice.from_env({**SERVICE, "CHATCLUSTER_DIRECTORY_LOGIC": ""}, "LOGIC"), KubernetesDirectory)


async def test_a_judge_wants_those_that_stay() -> None:
    """In Kubernetes these are others than those that serve; a list is the same for all."""
    judged = choice.from_env(SERVICE, "LOGIC", staying=True)

    assert isinstance(judged, KubernetesDirectory)
    assert judged._settings.staying
    assert choice.from_env(FIXED, "LOGIC", staying=True).endpoints() == {"127.0.0.1:6900"}


@pytest.mark.parametrize("environ", [{}, {**FIXED, **SERVICE}])
def test_one_has_to_be_set_and_not_both(environ: dict[str, str]) -> None:
    """Both variables are named, whichever is wrong."""
    with pytest.raises(
        WrongSetting, match="^CHATCLUSTER_DIRECTORY_LOGIC or CHATCLUSTER_DIRECTORY_LOGIC_SERVICE has to"
    ):
        choice.from_env(environ, "LOGIC")
