from typing import Any

import pytest

from chatcluster_operator.resources import environment, network
from chatcluster_operator.spec import COMPONENTS, Component
from support import manifests
from support.manifests import EXTERNAL, merged, nested

WITH_CA = merged(EXTERNAL, nested("redis.external.caSecretRef", {"name": "ca", "key": "ca.crt"}))


def variables(component: Component, spec: manifests.Spec | None = None) -> dict[str, str]:
    """Return the variables of a program, without their prefix."""
    found = environment.variables(manifests.chatcluster(spec), component)
    return {name.removeprefix("CHATCLUSTER_"): value for name, value in found.items()}


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_program_knows_whose_it_is(component: Component) -> None:
    """By the cluster's name and secret; and it lets the kubelet ask how it is."""
    found = variables(component)

    assert found["CLUSTER_NAME"] == "demo"
    assert found["CLUSTER_SECRET_FILE"] == "/run/secrets/chatcluster/cluster/secret"
    assert found["HEALTH_HOST"] == "0.0.0.0"  # noqa: S104 - of a pod


@pytest.mark.parametrize("component", COMPONENTS)
def test_variables_are_texts_with_the_prefix(component: Component) -> None:
    """As a container takes them; numbers in plain notation."""
    found = environment.variables(manifests.chatcluster(nested("rooms.historyBytes", 2**30)), component)

    assert all(name.startswith("CHATCLUSTER_") for name in found)
    assert [name for name, value in found.items() if not value or "e+" in value] == []


def test_secrets_are_named_and_never_told() -> None:
    """What looks like one is the path of a file."""
    found = {name: value for component in COMPONENTS for name, value in variables(component, WITH_CA).items()}

    assert {name for name, value in found.items() if value.startswith("/run/secrets/")} == {
        *("CLUSTER_SECRET_FILE", "REDIS_URL_FILE", "REDIS_CA_FILE")
    }
    assert [name for name in found if "PASSWORD" in name] == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_who_looks_for_logic_and_who_for_redis(component: Component) -> None:
    """api and the gateways the one, logic and task the other."""
    found = variables(component)

    assert ("DIRECTORY_LOGIC_SERVICE" in found) is (component in {"api", "connect"})
    assert ("REDIS_URL_FILE" in found) is (component in {"logic", "task"})


def test_logic_and_task_agree_on_the_log() -> None:
    """Both write rooms' histories: one bound for the two."""
    spec = {"shards": 32, "rooms": {"historySize": 7, "historyBytes": 20_000, "historyTTLSeconds": 60}}
    logic, task = (variables(component, spec) for component in ("logic", "task"))

    log = {name: value for name, value in task.items() if name.startswith("LOG_")}
    assert log.items() <= logic.items()
    assert log == {
        "LOG_SHARDS": "32",
        "LOG_HISTORY_SIZE": "7",
        "LOG_HISTORY_BYTES": "20000",
        "LOG_READ_BYTES": "20000",
        "LOG_HISTORY_TTL": "60",
    }


def test_a_step_of_reading_is_never_more_than_a_whole_history() -> None:
    """The programs refuse that; above their own default it stays at that."""
    found = [variables("task", nested("rooms.historyBytes", size))["LOG_READ_BYTES"] for size in (16_384, 2**30)]

    assert found == ["16384", "524288"]


def test_a_rooms_burst_is_twice_its_rate() -> None:
    """As it is in the programs' own default."""
    assert (
        variables("logic", nested("limits.roomMessagesPerSecond", 7)).items()
        >= {
            "LOG_ROOM_RATE": "7",
            "LOG_ROOM_BURST": "14",
        }.items()
    )


def test_lists_are_joined_and_left_out_when_empty() -> None:
    """Nothing set and nothing trusted are the same to the programs."""
    spec = {"connect": {"allowedOrigins": ["https://a", "https://b"]}, "exposure": {"trustedProxies": ["10.0.0.0/8"]}}

    assert variables("connect", spec)["CONNECT_ALLOWED_ORIGINS"] == "https://a,https://b"
    assert variables("connect", spec)["CONNECT_TRUSTED_PROXIES"] == "10.0.0.0/8"
    assert variables("api", spec)["API_TRUSTED_PROXIES"] == "10.0.0.0/8"
    assert not {"CONNECT_ALLOWED_ORIGINS", "CONNECT_TRUSTED_PROXIES"} & variables("connect").keys()


HOST = "chat.example.com"
WITHOUT_TCP = {"connect": {"tcp": {"enabled": False}}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, {}),
        ({"exposure": {"api": {"serviceType": "LoadBalancer"}, "connect": {"serviceType": "NodePort"}}}, {}),
        (nested("exposure.ingress", {"host": HOST}), {"API_WEBSOCKET_URL": f"ws://{HOST}/ws"}),
        (
            nested("exposure.ingress", {"host": HOST, "tlsSecretName": "tls"}),
            {"API_WEBSOCKET_URL": f"wss://{HOST}/ws"},
        ),
        (
            {"exposure": {"ingress": {"host": HOST}, "websocketURL": f"wss://{HOST}:8443/chat/ws"}},
            {"API_WEBSOCKET_URL": f"wss://{HOST}:8443/chat/ws"},
        ),
        (nested("exposure.tcpAddress", f"{HOST}:7001"), {"API_TCP_ADDRESS": f"{HOST}:7001"}),
        ({"exposure": {"tcpAddress": f"{HOST}:7001"}, **WITHOUT_TCP}, {}),
    ],
)
def test_api_is_told_where_clients_find_the_gateways(spec: manifests.Spec, told: dict[str, str]) -> None:
    """By what the spec says of it, else by the Ingress that leads there; what only a Service knows is not guessed."""
    found = variables("api", spec)

    assert {name: value for name, value in found.items() if name.endswith(("_URL", "_ADDRESS"))} == told


def test_what_clients_are_told_is_where_the_ingress_leads() -> None:
    """The path in it is the one that the gateways have there."""
    cluster = manifests.chatcluster(nested("exposure.ingress", {"host": HOST}))
    ingress = network.ingress(cluster)
    url = environment.variables(cluster, "api")["CHATCLUSTER_API_WEBSOCKET_URL"]

    assert ingress
    [rule] = ingress["spec"]["rules"]
    [path] = [each["path"] for each in rule["http"]["paths"] if each["backend"]["service"]["name"] == "demo-connect"]
    assert url == f"ws://{rule['host']}{path}"


@pytest.mark.parametrize(
    ("component", "names"),
    [
        ("connect", ["CHATCLUSTER_CONNECT_NAME", "CHATCLUSTER_CONNECT_ADDRESS"]),
        ("task", ["CHATCLUSTER_TASK_NAME"]),
        ("api", []),
        ("logic", []),
    ],
)
def test_only_who_must_be_told_apart_knows_its_pod(component: Component, names: list[str]) -> None:
    """Gateways have leases and tasks own shards, by the name of the pod; all know the pod's address before."""
    found: list[dict[str, Any]] = environment.of_pod(component)

    assert [one["name"] for one in found] == ["CHATCLUSTER_POD_ADDRESS", *names]
