"""The Helm chart and the operator agree: on settings, on rights, on the resource; and helm agrees with the chart."""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

import chatcluster
import chatcluster_operator
from chatcluster_operator import kinds, names
from chatcluster_operator.resources import security
from chatcluster_operator.settings import Settings
from support import alerts, chart, crd, grafana, manifests, schemas
from support.chart import CHART, NAME, NAMESPACE, Manifest
from support.cluster import tools
from support.cluster.commands import ClusterError, run

pytestmark = pytest.mark.kubernetes

SETS = {"defaults": {}, "everything": chart.EVERYTHING, "namespaced": {"watchNamespaces": ["chat"]}}

CHANGED = ("get", "list", "watch", "create", "patch", "delete")
"""How the operator uses what it makes."""
USED: Mapping[str, tuple[str, ...]] = {
    **{child.name: CHANGED for child in kinds.CHILDREN},
    "Pod": ("list", "watch"),
    "PersistentVolumeClaim": ("list", "watch", "patch"),
    "ChatCluster": ("get", "list", "watch"),
    "Secret": ("get", "create"),
    "Event": ("create",),
    "StorageClass": ("get",),
}
"""The verbs of the operator's requests, by kind; beside these it patches the status of ChatClusters."""

Right = tuple[str, str, str]
"""API group, resource, verb."""


@pytest.fixture(autouse=True)
def _tools() -> None:
    chart.require()
    schemas.require()


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_helm_finds_nothing_to_complain_of(values: Mapping[str, object], tmp_path: Path) -> None:
    """`helm lint --strict` takes the chart with any of these values."""
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(dict(values)))

    assert "0 chart(s) failed" in chart.helm("lint", "--strict", CHART, "--values", path)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_every_object_fits_its_schema(values: Mapping[str, object], tmp_path: Path) -> None:
    """kubeconform finds no field that Kubernetes does not know; what the Prometheus operator reads is not its own."""
    text = yaml.safe_dump_all(
        found for found in chart.render(values) if not found["apiVersion"].startswith("monitoring.coreos.com/")
    )
    schemas.write(tmp_path, {(found["apiVersion"], found["kind"]) for found in yaml.safe_load_all(text)})

    assert "Invalid: 0, Errors: 0, Skipped: 0" in schemas.kubeconform(text, tmp_path)


def test_every_example_and_child_fits_its_schema(tmp_path: Path) -> None:
    """So do the examples, and what the operator makes of a ChatCluster that has everything."""
    examples = [body for path in sorted((crd.ROOT / "examples").rglob("*.yaml")) for body in documents(path)]
    objects = [*examples, *manifests.children(manifests.EVERYTHING).values()]
    schemas.write(tmp_path, {(body["apiVersion"], body["kind"]) for body in objects})

    assert "Invalid: 0, Errors: 0, Skipped: 0" in schemas.kubeconform(yaml.safe_dump_all(objects), tmp_path)


def test_what_kubernetes_does_not_know_is_found(tmp_path: Path) -> None:
    """The schemas are strict: a field that is spelled wrongly is refused, however deep."""
    text = chart.rendered({"crd": {"install": False}}).replace("periodSeconds", "periodSecond")
    schemas.write(tmp_path, {(found["apiVersion"], found["kind"]) for found in yaml.safe_load_all(text)})

    with pytest.raises(ClusterError, match="periodSecond"):
        schemas.kubeconform(text, tmp_path)


def test_its_own_tests_pass() -> None:
    """helm-unittest runs what stands in the chart's folder `tests`."""
    suites = len(list((CHART / "tests").glob("*_test.yaml")))

    assert f"{suites} passed, {suites} total" in run(tools.program(tools.HELM_UNITTEST), "--strict", CHART)


def test_the_resource_is_the_one_in_crds() -> None:
    """The release brings crds/, as it is; it stays when the release goes."""
    [found] = of_kind(chart.render(), "CustomResourceDefinition")
    labels, annotations = found["metadata"].pop("labels"), found["metadata"].pop("annotations")

    assert found == crd.definition()
    assert annotations == {"helm.sh/resource-policy": "keep"}
    assert labels["app.kubernetes.io/instance"] == chart.RELEASE


def test_every_version_is_the_same() -> None:
    """Chart, operator and programs are released together, and the images are tagged with that."""
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    container = operator(chart.render())

    assert described["version"] == described["appVersion"] == chatcluster.__version__
    assert described["appVersion"] == chatcluster_operator.__version__
    assert container["image"] == f"chatcluster/operator:{described['appVersion']}"


def test_the_operator_reads_its_environment() -> None:
    """By default the chart sets what the operator would take by itself, but that probes reach it from outside."""
    version = chatcluster_operator.__version__
    defaults = Settings.from_env({"CHATCLUSTER_HEALTH_HOST": "0.0.0.0"}, version)  # noqa: S104

    assert Settings.from_env(environment(chart.render()), "0") == defaults


def test_the_operator_is_told_every_value() -> None:
    """A value that is the operator's to know reaches its settings."""
    given = Settings.from_env(environment(chart.render(chart.EVERYTHING)), "0")

    assert given.image == chart.EVERYTHING["servicesImage"]
    assert given.redis_image == chart.EVERYTHING["redisImage"]
    assert given.namespaces == ("first", "second")
    assert (given.resync, given.workers, given.log_level) == (7, 3, "debug")


def test_the_operator_may_do_what_it_does_and_nothing_else() -> None:
    """In all namespaces it has the rights of `USED`, and what its Roles grant to pods."""
    [role] = of_kind(chart.render(), "ClusterRole")

    assert sorted(rights(role)) == sorted({*used(), *granted()})


def test_the_operator_of_single_namespaces_has_nothing_beyond_them() -> None:
    """There it has the same in each of them but for what is nobody's namespace; and no cluster-wide right at all."""
    objects = chart.render({"watchNamespaces": ["first", "second"]})
    expected = {right for right in {*used(), *granted()} if right[1] != "storageclasses"}

    assert {role["metadata"]["namespace"] for role in of_kind(objects, "Role")} == {"first", "second"}
    assert {role["metadata"]["namespace"] for role in of_kind(objects, "RoleBinding")} == {"first", "second"}
    assert all(set(rights(role)) == expected for role in of_kind(objects, "Role"))
    assert not [found for found in objects if found["kind"].startswith("ClusterRole")]


def test_the_rights_go_to_the_operator() -> None:
    """Every binding binds its own role to the account of the operator's pod, and to nobody else."""
    for values in SETS.values():
        objects = chart.render(values)
        [deployment] = of_kind(objects, "Deployment")
        bindings = [found for found in objects if found["kind"].endswith("RoleBinding")]
        account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}

        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == NAME
        assert all(binding["subjects"] == [account] and binding["roleRef"]["name"] == NAME for binding in bindings)
        assert bindings


def test_pods_are_restricted_like_the_operators_children() -> None:
    """Pod Security "restricted", a root that cannot be written to, and the user of the images."""
    objects = chart.render()
    [deployment], [test] = of_kind(objects, "Deployment"), of_kind(objects, "Pod")

    for pod in (deployment["spec"]["template"]["spec"], test["spec"]):
        assert pod["securityContext"].items() <= security.pod().items()
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert [container["securityContext"] for container in pod["containers"]] == [security.container()]


def test_alerts_and_dashboards_are_brought_as_they_are() -> None:
    """Whatever looks like a template in them is Prometheus' or Grafana's; runbooks are where the values say."""
    objects = chart.render(chart.EVERYTHING)
    [rule], maps = of_kind(objects, "PrometheusRule"), of_kind(objects, "ConfigMap")
    text = alerts.RULES.read_text().replace("docs/runbooks/", "https://example.com/runbooks/")

    assert rule["spec"] == yaml.safe_load(text)
    assert {name: text for body in maps for name, text in body["data"].items()} == {
        f"chatcluster-{name}.json": grafana.text(name, dashboard).rstrip()
        for name, dashboard in grafana.dashboards().items()
    }
    assert all(body["metadata"]["labels"]["grafana_dashboard"] == "1" for body in maps)


def test_alerts_name_their_pages_in_the_source_by_default() -> None:
    """No address is made up."""
    [rule] = of_kind(chart.render({"monitoring": {"alerts": {"enabled": True}}}), "PrometheusRule")

    assert rule["spec"] == yaml.safe_load(alerts.RULES.read_text())


def test_programs_are_found_by_what_the_operator_gives_them() -> None:
    """The PodMonitor chooses the programs' pods, by a port that each has, and tells their ChatCluster and program."""
    [_, monitor] = of_kind(chart.render({"monitoring": {"podMonitor": {"enabled": True}}}), "PodMonitor")
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    pods = [
        body["spec"]["template"]
        for body in manifests.children(manifests.EVERYTHING).values()
        if "template" in body.get("spec", {})
    ]
    programs = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items() and endpoint["port"] in ports(pod)]
    sources = {
        f"__meta_kubernetes_pod_label_{re.sub('[^a-z]', '_', name)}" for name in (names.INSTANCE, names.COMPONENT)
    }

    assert {"api", "logic", "connect", "task"} <= {pod["metadata"]["labels"][names.COMPONENT] for pod in programs}
    assert {source for rule in endpoint["relabelings"] for source in rule["sourceLabels"]} == sources
    assert {rule["targetLabel"] for rule in endpoint["relabelings"]} == {"chatcluster", "component"}


def test_the_operator_does_not_take_the_chart_for_its_own() -> None:
    """Nothing of the chart matches what the operator watches its children by."""
    found = [body["metadata"].get("labels", {}) for body in chart.render()]
    [deployment] = of_kind(chart.render(), "Deployment")
    selectors = {tuple(kind.selector.split("=")) for kind in kinds.WATCHED}

    for labels in (*found, deployment["spec"]["template"]["metadata"]["labels"]):
        assert selectors.isdisjoint(labels.items())


def documents(path: Path) -> Iterator[Manifest]:
    """Yield the objects of a file."""
    yield from yaml.safe_load_all(path.read_text())


def of_kind(objects: list[Manifest], kind: str) -> list[Manifest]:
    """Return the objects of one kind."""
    return [found for found in objects if found["kind"] == kind]


def ports(pod: Manifest) -> set[str]:
    """Return the names of a pod's ports."""
    return {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}


def operator(objects: list[Manifest]) -> Manifest:
    """Return the operator's container."""
    [deployment] = of_kind(objects, "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    found: Manifest = container
    return found


def environment(objects: list[Manifest]) -> dict[str, str]:
    """Return the environment of the operator's container, but for what its pod fills in."""
    return {variable["name"]: variable["value"] for variable in operator(objects)["env"] if "value" in variable}


def rights(role: Manifest) -> Iterator[Right]:
    """Yield all that a role grants, each as often as it stands there."""
    for rule in role["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        yield from itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])


def used() -> Iterator[Right]:
    """Yield what the operator's requests need."""
    for name, verbs in USED.items():
        kind = kinds.BY_NAME[name]
        group = kind.api_version.rpartition("/")[0]
        yield from ((group, kind.plural, verb) for verb in verbs)
    yield "chatcluster.io", f"{kinds.CHATCLUSTER.plural}/status", "patch"


def granted() -> Iterator[Right]:
    """Yield what the operator's own Roles give to pods: nobody can give what they do not hold."""
    for (kind, _), role in manifests.children().items():
        if kind == "Role":
            rules = [{name: value for name, value in rule.items() if name != "resourceNames"} for rule in role["rules"]]
            yield from rights({**role, "rules": rules})
