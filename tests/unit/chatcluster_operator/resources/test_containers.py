import pytest

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import containers
from support import manifests
from support.manifests import nested

TEMPLATES = {
    name: child["spec"]["template"] for (kind, name), child in manifests.children().items() if kind == "Deployment"
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_every_program_is_asked_how_it_is(template: Manifest) -> None:
    """At its health port, which it has; whether it is ready as well, unless it says how else."""
    [container] = template["spec"]["containers"]

    assert containers.HEALTH in container["ports"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert container["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert containers.probes()["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert "httpGet" not in containers.probes({"grpc": {"port": 1}})["readinessProbe"]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_every_program_runs_its_module(template: Manifest) -> None:
    """By the name of its component."""
    [container] = template["spec"]["containers"]

    assert container["command"] == ["python", "-P", "-m", f"chatcluster.{container['name']}"]
    assert template["metadata"]["labels"][names.COMPONENT] == container["name"]


def test_variables_have_one_order() -> None:
    """So that the same ones are the same manifest."""
    assert containers.variables({"b": "2", "a": "1"}) == containers.variables({"a": "1", "b": "2"})


def test_a_secret_is_mounted_where_its_variable_says() -> None:
    """To be read by the group, and by nobody else."""
    volume = containers.volume("redis", "demo-redis", "url", "url")

    assert containers.mounts([volume]) == [
        {"name": "redis", "mountPath": "/run/secrets/chatcluster/redis", "readOnly": True}
    ]
    assert volume["secret"]["defaultMode"] == 0o440


def test_scraping_can_be_left_to_others() -> None:
    """Who has a PodMonitor wants no annotations."""
    assert containers.scraped(manifests.chatcluster())["prometheus.io/port"] == "9070"
    assert containers.scraped(manifests.chatcluster(nested("monitoring.scrape", False))) == {}
