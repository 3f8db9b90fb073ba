"""No value that the schema accepts is refused by a program: what the operator renders at a bound, its settings take."""

from typing import Any

import pytest

from chatcluster.api import settings as api_settings
from chatcluster.connect import settings as connect_settings
from chatcluster.core.environment import WrongSetting
from chatcluster.log import settings as log_settings
from chatcluster.logic import settings as logic_settings
from chatcluster.task import settings as task_settings
from chatcluster_operator.resources import environment
from chatcluster_operator.spec import COMPONENTS
from support import crd, manifests

READERS: dict[str, tuple[Any, ...]] = {
    "api": (api_settings.Settings,),
    "connect": (connect_settings.Settings,),
    "logic": (logic_settings.Settings, log_settings.Settings),
    "task": (task_settings.Settings, log_settings.Settings),
}
NUMBERS = {
    node.path.removeprefix(".spec."): node.schema
    for node in crd.spec_nodes()
    if node.schema.get("type") == "integer" and not {"autoscaling", "podTemplate"}.intersection(node.path.split("."))
}
"""All that programs may read."""
BOUNDS = [(path, at[bound]) for path, at in NUMBERS.items() for bound in ("minimum", "maximum")]
OTHERS = [
    ("connect.allowedOrigins", [f"https://{number}.example.com:8443" for number in range(32)]),
    ("exposure.trustedProxies", ["10.0.0.0/8", "fd00::/8", "192.0.2.7", "2001:db8::1", "::/0"]),
    *(
        ("exposure.websocketURL", url)
        for url in ("wss://chat.example.com", "ws://192.0.2.7:1/a/ws", "ws://[::1]:65535/ws")
    ),
    *(("exposure.tcpAddress", place) for place in ("chat.example.com:7001", "192.0.2.7:1", "[::1]:65535")),
]


@pytest.mark.parametrize(("path", "value"), [*BOUNDS, *OTHERS])
def test_programs_take_what_the_schema_takes(path: str, value: Any) -> None:
    """At either end of every number each program takes the environment that the operator gives it."""
    spec = manifests.nested(path, value)
    cluster = manifests.chatcluster(spec)

    assert crd.problems_of_resource(manifests.resource(spec)) == []
    for component in COMPONENTS:
        for reader in READERS[component]:
            reader.from_env(environment.variables(cluster, component))


def test_the_rate_of_a_room_is_bounded_by_its_burst() -> None:
    """The operator renders a burst of twice the rate, which has a bound in the program: hence the schema's."""
    most = NUMBERS["limits.roomMessagesPerSecond"]["maximum"]
    cluster = manifests.chatcluster({"limits": {"roomMessagesPerSecond": most + 1}})

    with pytest.raises(WrongSetting, match="LOG_ROOM_BURST"):
        logic_settings.Settings.from_env(environment.variables(cluster, "logic"))
