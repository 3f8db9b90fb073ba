"""kind-config.yaml is what kind reads, and leads to the example."""

from pathlib import Path

import pytest
import yaml

from chatcluster_operator import names
from support import installation, kind, manifests
from support.cluster import targets
from support.cluster.commands import ClusterError

HIGHEST_STATIC_PORT = 30_085
"""Above it Kubernetes gives out ports by itself, by default
(https://kubernetes.io/docs/concepts/services-networking/service/#avoid-nodeport-collisions)."""


@pytest.mark.kubernetes
def test_kind_reads_its_configuration() -> None:
    """Strictly, into its own types: one cluster, of the name that the tests look for."""
    read = kind.configuration()

    assert read["name"] == targets.KIND
    assert [node["role"] for node in read["nodes"]] == ["control-plane"]


@pytest.mark.kubernetes
def test_a_field_that_kind_does_not_know_is_refused(tmp_path: Path) -> None:
    """The reading is strict."""
    wrong = tmp_path / "kind-config.yaml"
    wrong.write_text(kind.CONFIG.read_text().replace("extraPortMappings", "portMappings"))

    with pytest.raises(ClusterError, match="field portMappings not found"):
        kind.configuration(wrong)


@pytest.mark.kubernetes
def test_the_ports_of_this_machine_lead_to_the_programs() -> None:
    """Each port of the programs is the same here, by this machine's own address only, through a Service's node port."""
    [node] = kind.configuration()["nodes"]
    led = {mapping["containerPort"]: mapping["hostPort"] for mapping in node["extraPortMappings"]}
    ports = [port for service in services() for port in service["spec"]["ports"]]

    assert led == {port["nodePort"]: port["port"] for port in ports}
    assert sorted(led.values()) == sorted(names.PORTS[name] for name in ("api", "websocket", "tcp"))
    assert {mapping["listenAddress"] for mapping in node["extraPortMappings"]} == {"127.0.0.1"}
    assert all(30_000 <= port <= HIGHEST_STATIC_PORT for port in led)


def test_the_services_find_the_example() -> None:
    """They select the pods of the example's ChatCluster, by the ports that the operator gives these."""
    example = yaml.safe_load(installation.EXAMPLE.read_text())
    own = manifests.children(name=example["metadata"]["name"])
    programs = {"demo-api-on-node": "demo-api", "demo-connect-on-node": "demo-connect"}

    assert example["metadata"]["name"] == installation.DEMO
    assert {service["metadata"]["name"] for service in services()} == set(programs)
    for service in services():
        child = own["Service", programs[service["metadata"]["name"]]]
        assert service["spec"]["selector"] == child["spec"]["selector"]
        assert [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [
            (port["name"], port["port"], port["targetPort"]) for port in child["spec"]["ports"]
        ]


def test_whoever_has_no_engine_is_told() -> None:
    """kind without Docker and podman is refused with what to do instead."""
    with pytest.raises(ClusterError, match="make cluster-up"):
        kind.check("buildah")


def services() -> list[names.Manifest]:
    """Return the Services that the node's ports lead to."""
    return list(yaml.safe_load_all(installation.PORTS.read_text()))
