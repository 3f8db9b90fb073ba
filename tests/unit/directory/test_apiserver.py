from pathlib import Path

import pytest

from chatcluster.directory import apiserver, wire
from chatcluster.directory.apiserver import Account, Patience, Target
from chatcluster.directory.wire import Reason


def test_the_token_is_read_anew_each_time(tmp_path: Path) -> None:
    """The kubelet replaces it long before it expires; white space around it is not sent."""
    token = tmp_path / "token"
    account = Account(tmp_path)
    token.write_text("first\n")
    before = account.token()
    token.write_text("second")

    assert (before, account.token()) == ("first", "second")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_token_that_cannot_be_read_is_a_failure(tmp_path: Path, content: bytes | None) -> None:
    """A pod without a service account is told so; the version that was reached stays good."""
    if content is not None:
        (tmp_path / "token").write_bytes(content)

    with pytest.raises(wire.Failed) as caught:
        Account(tmp_path).token()
    assert (caught.value.reason, caught.value.stale) == (Reason.ACCOUNT, False)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_that_cannot_be_read_is_a_failure(tmp_path: Path, content: str | None) -> None:
    """Nobody is trusted instead."""
    (tmp_path / "token").write_text("token")
    if content is not None:
        (tmp_path / "ca.crt").write_text(content)

    with pytest.raises(wire.Failed, match="^account: .*ca.crt"):
        async with apiserver.connection(Target("https://localhost", "chat", "logic"), Account(tmp_path), Patience()):
            pass


def test_a_target_is_one_service_in_one_namespace() -> None:
    """So reading endpoint slices of its own namespace is all that a pod has to be allowed."""
    target = Target("https://10.96.0.1:443", "chat", "demo-logic")

    assert target.path == "/apis/discovery.k8s.io/v1/namespaces/chat/endpointslices"
    assert target.selector == "kubernetes.io/service-name=demo-logic"
