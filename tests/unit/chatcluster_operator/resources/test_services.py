import pytest

from chatcluster_operator import names
from chatcluster_operator.resources import programs, services
from support import manifests
from support.manifests import nested

SERVICES = {"api": services.api, "connect": services.connect, "logic": services.logic, "redis": services.redis}


@pytest.mark.parametrize(
    ("component", "ports"),
    [
        ("api", {"http": 7070}),
        ("connect", {"websocket": 7000, "tcp": 7001}),
        ("logic", {"grpc": 6900}),
        ("redis", {"redis": 6379}),
    ],
)
def test_each_has_the_agreed_ports(component: str, ports: dict[str, int]) -> None:
    """They lead to the ports of the pods by name, which are there."""
    found = SERVICES[component](manifests.chatcluster())["spec"]["ports"]

    assert {port["name"]: port["port"] for port in found} == ports
    kind = "StatefulSet" if component == "redis" else "Deployment"
    [container] = manifests.children()[kind, f"demo-{component}"]["spec"]["template"]["spec"]["containers"]
    there = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in found}.items() <= there.items()


@pytest.mark.parametrize("component", SERVICES)
def test_each_finds_its_own_pods(component: str) -> None:
    """By the selector, which no label of a user can change."""
    cluster = manifests.chatcluster()

    assert SERVICES[component](cluster)["spec"]["selector"] == names.selector(cluster, component)


def test_logic_is_headless() -> None:
    """Its callers want to see all pods; clients' Services have one address each, and so has Redis."""
    cluster = manifests.chatcluster()

    assert services.logic(cluster)["spec"]["clusterIP"] == "None"
    assert [name for name in SERVICES if "clusterIP" in SERVICES[name](cluster)["spec"]] == ["logic"]


def test_gateways_have_no_service_for_grpc() -> None:
    """task finds each by the address in its lease; a Service would lead to any of them."""
    ports = services.connect(manifests.chatcluster())["spec"]["ports"]

    assert names.PORTS["connect"] not in {port["port"] for port in ports}


def test_tcp_that_is_off_has_no_port() -> None:
    """Clients cannot come in by it."""
    found = services.connect(manifests.chatcluster(nested("connect.tcp.enabled", False)))["spec"]["ports"]

    assert [port["name"] for port in found] == ["websocket"]


@pytest.mark.parametrize("component", ["api", "connect"])
def test_clients_services_are_exposed_as_the_spec_says(component: str) -> None:
    """Type and annotations; of that one alone."""
    spec = nested(f"exposure.{component}", {"serviceType": "LoadBalancer", "annotations": {"cloud": "internal"}})
    found = SERVICES[component](manifests.chatcluster(spec))

    assert (found["spec"]["type"], found["metadata"]["annotations"]) == ("LoadBalancer", {"cloud": "internal"})
    others = [SERVICES[name](manifests.chatcluster(spec)) for name in SERVICES if name != component]
    assert {other["spec"]["type"] for other in others} == {"ClusterIP"}


def test_redis_is_found_by_the_name_in_its_address() -> None:
    """The StatefulSet names the Service that the URL in the Secret leads to."""
    cluster = manifests.chatcluster()

    assert services.redis(cluster)["metadata"]["name"] == names.child(cluster, names.REDIS)
    stateful_set = manifests.children()["StatefulSet", "demo-redis"]
    assert stateful_set["spec"]["serviceName"] == services.redis(cluster)["metadata"]["name"]


def test_programs_are_told_the_name_of_logics_port() -> None:
    """The directory looks for it in the EndpointSlices."""
    [port] = services.logic(manifests.chatcluster())["spec"]["ports"]
    api = programs.deployment(manifests.chatcluster(), "api", manifests.CONTEXT)
    [container] = api["spec"]["template"]["spec"]["containers"]

    [told] = [one["value"] for one in container["env"] if one["name"] == "CHATCLUSTER_DIRECTORY_LOGIC_SERVICE"]
    assert told == f"demo-logic:{port['name']}"
