import resource
import socket
from collections.abc import Iterator

import pytest

from chatcluster.connect import listening
from chatcluster.core.environment import WrongSetting


def test_options_are_inherited_by_what_is_accepted() -> None:
    """The kernel bounds what it holds for a slow reader, and gives up a peer that acknowledges nothing."""
    listener = listening.bind("127.0.0.1", 0, "CONNECT_TCP_PORT", 20_000, 7.5)
    with listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
    with accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 40_000
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7500


def test_port_that_is_taken_is_a_wrong_setting() -> None:
    """The message names the port and the setting that changes it."""
    with listening.bind("127.0.0.1", 0, "CONNECT_TCP_PORT", 20_000) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(WrongSetting, match=rf"CHATCLUSTER_CONNECT_TCP_PORT is {port}, where 127.0.0.1 .*in use"):
            listening.bind("127.0.0.1", port, "CONNECT_TCP_PORT", 20_000)


@pytest.fixture
def open_files() -> Iterator[tuple[int, int]]:
    """Yield the limit of open files, soft and hard; put it back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_limit_of_open_files_is_raised_as_needed(open_files: tuple[int, int]) -> None:
    """Many systems start a process with 1,024; it is never lowered."""
    _, hard = open_files
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    listening.allow(1000)
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    listening.allow(10)

    assert raised == 1000 + listening.OTHER_FILES
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == raised


def test_limit_of_the_system_is_not_passed(open_files: tuple[int, int]) -> None:
    """A gateway that may have fewer than it is set up for goes as far as it can, and says so."""
    _, hard = open_files
    listening.allow(hard + 10)

    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
