from pathlib import Path

from chatcluster.api.settings import Settings as ApiSettings
from chatcluster.connect.settings import Settings as ConnectSettings
from chatcluster.core import environment, health
from chatcluster.directory.static import StaticDirectory
from chatcluster.local import programs
from chatcluster.local.programs import Secrets
from chatcluster.logic.settings import Settings as LogicSettings

SECRETS = Secrets(cluster=Path("/secrets/cluster"), redis_url=Path("/secrets/redis-url"))
LOGIC = ["127.0.0.1:6900", "127.0.0.1:6901"]


def test_a_gateways_environment_is_what_it_reads() -> None:
    """What is set for a gateway comes out of its own settings: the two sides of the contract agree."""
    program = programs.connect(SECRETS, 1, LOGIC, ports=(7010, 7011, 6913), health=9073)

    settings = ConnectSettings.from_env(program.environ)
    assert (settings.name, settings.websocket_port, settings.tcp_port, settings.grpc_port) == (
        "connect-1",
        7010,
        7011,
        6913,
    )
    assert health.Settings.from_env(program.environ) == health.Settings("127.0.0.1", 9073)
    assert StaticDirectory.from_env(program.environ, "LOGIC").endpoints() == frozenset(LOGIC)


def test_a_logics_environment_is_what_it_reads() -> None:
    """Likewise for logic, which also gets Redis."""
    program = programs.logic(SECRETS, 0, port=6900, health=9071)

    assert LogicSettings.from_env(program.environ).port == 6900
    assert program.environ["CHATCLUSTER_REDIS_URL_FILE"] == "/secrets/redis-url"


def test_api_tells_of_the_gateways_beside_it() -> None:
    """Of all of them, as clients on this machine reach them."""
    program = programs.api(SECRETS, 0, LOGIC, port=7070, health=9070, gateways=[(7000, 7001), (7010, 7011)])

    settings = ApiSettings.from_env(program.environ)
    assert settings.port == 7070
    assert settings.gateways.websocket == ["ws://127.0.0.1:7000/ws", "ws://127.0.0.1:7010/ws"]
    assert settings.gateways.tcp == ["127.0.0.1:7001", "127.0.0.1:7011"]


def test_only_logic_and_task_know_redis() -> None:
    """api and gateways never speak to Redis, so they are not told its password."""
    told = {
        program.name
        for program in (
            programs.api(SECRETS, 0, LOGIC, port=7070, health=9070),
            programs.logic(SECRETS, 0, port=6900, health=9071),
            programs.connect(SECRETS, 0, LOGIC, ports=(0, 0, 0), health=0),
            programs.task(SECRETS, 0, health=9074),
        )
        if any("REDIS" in name for name in program.environ)
    }

    assert told == {"logic-0", "task-0"}


def test_secrets_are_named_and_never_told() -> None:
    """Commands and variables hold the names of files only."""
    program = programs.task(SECRETS, 0, health=0)

    assert program.command[1:] == ("-P", "-m", "chatcluster.task")
    assert program.environ[f"{environment.PREFIX}CLUSTER_SECRET_FILE"] == "/secrets/cluster"
