from dataclasses import replace
from typing import Any

import pytest

from chatcluster_operator import names, observed
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import programs
from chatcluster_operator.resources.context import Kept, Secrets
from chatcluster_operator.spec import COMPONENTS, Component
from support import manifests
from support.manifests import CONTEXT, EXTERNAL, merged, nested

SERVED = {"api": {"api"}, "logic": {"logic"}, "connect": {"websocket", "tcp", "connect"}, "task": set[str]()}
"""The names in `names.PORTS` of what each program serves, but for its health port."""


def deployment(component: Component, spec: manifests.Spec | None = None) -> Manifest:
    """Return a program's Deployment."""
    return programs.deployment(manifests.chatcluster(spec), component, CONTEXT)


def pod(component: Component, spec: manifests.Spec | None = None) -> Any:
    """Return the spec of its pods."""
    return deployment(component, spec)["spec"]["template"]["spec"]


def container(component: Component, spec: manifests.Spec | None = None) -> Any:
    """Return its only container."""
    [found] = pod(component, spec)["containers"]
    return found


def variables(component: Component, spec: manifests.Spec | None = None) -> dict[str, Any]:
    """Return its environment."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(component, spec)["env"]}


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_program_runs_its_module(component: Component) -> None:
    """Of the one image that all have; `-P` keeps the working directory from shadowing anything."""
    assert container(component)["command"] == ["python", "-P", "-m", f"chatcluster.{component}"]
    assert container(component)["image"] == "chatcluster/services:1.2.3"
    assert container(component, {"image": "mine"})["image"] == "mine"


@pytest.mark.parametrize("component", COMPONENTS)
def test_ports_are_the_agreed_ones(component: Component) -> None:
    """What the program serves, and its health."""
    numbers = {port["containerPort"] for port in container(component)["ports"]}

    assert numbers == {names.PORTS[name] for name in SERVED[component] | {"health"}}


@pytest.mark.parametrize("component", COMPONENTS)
def test_probes_ask_ports_that_are_there(component: Component) -> None:
    """Readiness of logic over gRPC, as its callers ask; everything else over HTTP, at the health port."""
    ports = {port["name"]: port["containerPort"] for port in container(component)["ports"]}
    probes = {name: container(component)[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    ready = probes["readiness"]

    for probe in (probes["startup"], probes["liveness"]):
        assert probe["httpGet"] == {"path": "/healthz", "port": "health"}
    assert ports["health"] == names.PORTS["health"]
    if component == "logic":
        assert ready["grpc"] == {"port": ports["grpc"]}
    else:
        assert ready["httpGet"] == {"path": "/readyz", "port": "health"}
    assert all(probe["periodSeconds"] * probe["failureThreshold"] <= 60 for probe in probes.values())


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize(
    "spec", [{}, EXTERNAL, merged(EXTERNAL, nested("redis.external.caSecretRef", {"name": "c", "key": "k"}))]
)
def test_every_secret_file_is_where_its_variable_says(component: Component, spec: manifests.Spec) -> None:
    """And every file that is mounted is read: a variable that ends in _FILE names it."""
    mounts = {mount["name"]: mount["mountPath"] for mount in container(component, spec)["volumeMounts"]}
    files = {
        f"{mounts[volume['name']]}/{item['path']}"
        for volume in pod(component, spec)["volumes"]
        for item in volume["secret"]["items"]
    }

    assert {value for name, value in variables(component, spec).items() if name.endswith("_FILE")} == files
    assert all(mount["readOnly"] for mount in container(component, spec)["volumeMounts"])


def test_only_logic_and_task_read_redis_secret() -> None:
    """api and the gateways never speak to Redis."""
    found = {
        component: {volume["secret"]["secretName"] for volume in pod(component)["volumes"]} for component in COMPONENTS
    }

    assert found["api"] == found["connect"] == {"demo-cluster"}
    assert found["logic"] == found["task"] == {"demo-cluster", "demo-redis"}


def test_an_external_redis_is_read_where_the_user_says() -> None:
    """The key of the user's Secret becomes the file that the program knows."""
    spec = nested(
        "redis.external", {"urlSecretRef": {"name": "a", "key": "b"}, "caSecretRef": {"name": "c", "key": "d"}}
    )
    found = {volume["name"]: volume["secret"] for volume in pod("task", spec)["volumes"]}

    assert (found["redis"]["secretName"], found["redis"]["items"]) == ("a", [{"key": "b", "path": "url"}])
    assert (found["redis-ca"]["secretName"], found["redis-ca"]["items"]) == ("c", [{"key": "d", "path": "ca.crt"}])


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_selector_never_has_a_users_label(component: Component) -> None:
    """Selectors cannot change; and a user's label never takes the place of one of ours."""
    mine = {"team": "chat", names.COMPONENT: "mine", names.INSTANCE: "mine"}
    found = deployment(component, {component: {"podTemplate": {"labels": mine}}})["spec"]

    selector = names.selector(manifests.chatcluster(), component)
    assert found["selector"] == {"matchLabels": selector}
    assert found["template"]["metadata"]["labels"] == {"team": "chat", **selector}


def test_a_users_annotations_stand_beside_ours() -> None:
    """Ours win: they are what pods are replaced by."""
    mine = {"example.com/a": "b", names.SECRETS_HASH: "mine"}
    found = deployment("api", {"api": {"podTemplate": {"annotations": mine}}})["spec"]["template"]["metadata"][
        "annotations"
    ]

    assert found["example.com/a"] == "b"
    assert (
        found[names.SECRETS_HASH]
        == deployment("api")["spec"]["template"]["metadata"]["annotations"][names.SECRETS_HASH]
    )


def test_monitoring_is_announced_unless_it_is_not_wanted() -> None:
    """By the annotations that Prometheus' usual configuration looks for."""
    on, off = (
        deployment("api", nested("monitoring.scrape", value))["spec"]["template"]["metadata"]["annotations"]
        for value in (True, False)
    )

    assert {name: value for name, value in on.items() if name.startswith("prometheus.io/")} == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "9070",
        "prometheus.io/path": "/metrics",
    }
    assert off.keys() == {names.SECRETS_HASH}


def test_a_users_variable_wins_and_stands_there_once() -> None:
    """Server-side apply refuses a list with the same name twice."""
    mine = [{"name": "CHATCLUSTER_API_MESSAGE_RATE", "value": "7"}, {"name": "A"}, {"name": "A", "value": "last"}]
    found = container("api", {"api": {"podTemplate": {"env": mine}}})["env"]

    assert [one for one in found if one["name"] == "CHATCLUSTER_API_MESSAGE_RATE"] == [mine[0]]
    assert [one for one in found if one["name"] == "A"] == [mine[2]]
    assert len({one["name"] for one in found}) == len(found)


def test_a_variable_stands_behind_what_it_refers_to() -> None:
    """Kubernetes fills in a reference only if it is known by then."""
    order = list(variables("connect"))

    assert variables("connect")["CHATCLUSTER_CONNECT_ADDRESS"] == "$(CHATCLUSTER_POD_ADDRESS):6912"
    assert order.index("CHATCLUSTER_POD_ADDRESS") < order.index("CHATCLUSTER_CONNECT_ADDRESS")


@pytest.mark.parametrize(
    ("component", "spec", "drain"),
    [
        ("api", {}, 12),
        ("logic", {}, 10),
        ("task", {}, 5),
        ("connect", {}, 45),
        ("connect", nested("connect.drainSeconds", 0), 0),
        ("connect", nested("connect.drainSeconds", 3600), 3600),
    ],
)
def test_a_pod_gets_the_time_that_it_needs_to_stop(component: Component, spec: manifests.Spec, drain: int) -> None:
    """Whoever serves leaves first, so that the last who knew the address still reach it; then it drains."""
    leaves = container(component, spec).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)

    assert bool(leaves) is (component != "task")
    assert pod(component, spec)["terminationGracePeriodSeconds"] >= leaves + drain + 5


def test_gateways_are_replaced_all_at_once() -> None:
    """A client that is sent away finds a new one, and moves only once; of others one pod more at a time will do."""
    surges = {component: deployment(component)["spec"]["strategy"]["rollingUpdate"] for component in COMPONENTS}

    assert surges.pop("connect") == {"maxSurge": "100%", "maxUnavailable": 0}
    assert list(surges.values()) == [{"maxSurge": 1, "maxUnavailable": 0}] * 3


def test_pods_are_spread_over_nodes() -> None:
    """Where that is possible; and each rollout by itself."""
    [found] = pod("api")["topologySpreadConstraints"]

    assert (found["topologyKey"], found["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    assert found["labelSelector"] == {"matchLabels": names.selector(manifests.chatcluster(), "api")}
    assert found["matchLabelKeys"] == ["pod-template-hash"]


def test_a_users_spread_stands_in_place_of_ours() -> None:
    """Counting the same pods."""
    mine = {"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    [found] = pod("api", {"api": {"podTemplate": {"topologySpreadConstraints": [mine]}}})["topologySpreadConstraints"]

    assert found.items() >= mine.items()
    assert found["labelSelector"] == {"matchLabels": names.selector(manifests.chatcluster(), "api")}


def test_what_is_not_set_is_not_said() -> None:
    """An empty field would be drift for ever: the API server does not keep it."""
    assert not {"nodeSelector", "affinity", "tolerations", "priorityClassName", "imagePullSecrets"} & pod("api").keys()
    assert "lifecycle" not in container("task")
    without = nested("api.resources", {"requests": {}, "limits": {}})
    assert "resources" not in container("api", without)


@pytest.mark.parametrize("component", COMPONENTS)
def test_replicas_are_the_specs_unless_an_autoscaler_counts(component: Component) -> None:
    """Then the field is not even there."""
    assert deployment(component, {component: {"replicas": 3}})["spec"]["replicas"] == 3
    assert "replicas" not in deployment(component, {component: {"autoscaling": {"maxReplicas": 9}}})["spec"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_number_that_does_not_count_is_written_down(component: Component) -> None:
    """While an autoscaler counts it is the spec's; after that it stays what it was, however the spec may change."""
    scaled = deployment(component, {component: {"replicas": 3, "autoscaling": {"maxReplicas": 9}}})
    context = replace(CONTEXT, kept={component: Kept(5, "3")})
    left = programs.deployment(manifests.chatcluster({component: {"replicas": 4}}), component, context)

    assert left == scaled
    assert observed.annotation(left, names.UNCOUNTED_REPLICAS) == "3"
    assert names.UNCOUNTED_REPLICAS not in deployment(component)["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("secrets", "readers"),
    [
        (Secrets(cluster="new", redis=CONTEXT.secrets.redis), set(COMPONENTS)),
        (Secrets(cluster=CONTEXT.secrets.cluster, redis="new"), {"logic", "task"}),
    ],
)
def test_new_secrets_replace_the_pods_that_read_them(secrets: Secrets, readers: set[str]) -> None:
    """The cluster's those of all programs, Redis' those of logic and task."""
    cluster, after = manifests.chatcluster(), replace(CONTEXT, secrets=secrets)

    replaced = {
        component
        for component in COMPONENTS
        if programs.deployment(cluster, component, after) != programs.deployment(cluster, component, CONTEXT)
    }
    assert replaced == readers
