"""What the operator writes into a pod is what the program in it reads: variables, files, ports and times.

Operator and services share no code, so that this is the only place where the two sides meet before a real cluster.
"""

import ast
import functools
import importlib
import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatcluster.client.blame import Blame, Part
from chatcluster.core import redis_settings
from chatcluster.directory import settings as directory_settings
from chatcluster.synthetic import reporting
from chatcluster.synthetic.verdict import Verdict
from chatcluster_operator import delivering, names
from chatcluster_operator.names import Manifest
from chatcluster_operator.observed import Observed
from chatcluster_operator.resources import credentials, environment
from chatcluster_operator.spec import COMPONENTS as PROGRAMS
from support import crd, manifests
from support.manifests import EXTERNAL, merged, nested

COMPONENTS = (*PROGRAMS, names.SYNTHETIC)
Reader = Callable[[Mapping[str, str]], Any]

DRAWN = "Zm9vYmFyYmF6cXV4-_0123456789abcdef"
"""As the operator draws it: of letters, digits, - and _."""
KUBELET = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
"""What every pod has besides."""
URLS = {
    "single": "rediss://user:pass@redis.example.com:6380/0",
    "sentinel": "redis://:pass@a.example.com:26379,b.example.com:26379/mymaster",
    "cluster": "redis://:pass@a.example.com,b.example.com",
}
WITH_CA = merged(EXTERNAL, nested("redis.external.caSecretRef", {"name": "my-ca", "key": "ca.crt"}))
SERVICES = {
    component: manifests.children()["Service", f"demo-{component}"]
    for component in ("redis", "logic", "api", "connect")
}


class Recorded(Mapping[str, str]):
    """An environment that remembers what was asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


class Pod:
    """A pod of a program, with its files below a folder of the test instead of the root."""

    def __init__(self, component: str, spec: manifests.Spec, folder: Path, address: str = "10.1.2.3") -> None:
        deployment = manifests.children(spec)["Deployment", f"demo-{component}"]
        self.spec: Manifest = deployment["spec"]["template"]["spec"]
        [self.container] = self.spec["containers"]
        self._write_files(spec, folder)
        self.environ = Recorded({**KUBELET, **_expanded(self.container["env"], folder, address)})
        self.read: dict[str, Any] = {name: read(self.environ) for name, read in _readers(component)}
        """What the program made of its environment, by what it calls the reader."""

    @property
    def settings(self) -> Any:
        """The program's own settings."""
        return self.read["Settings"]

    def _write_files(self, spec: manifests.Spec, folder: Path) -> None:
        mounts = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
        for volume in self.spec["volumes"]:
            secret = volume["secret"]
            for item in secret["items"]:
                path = folder / mounts[volume["name"]].removeprefix("/") / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(_secrets(spec)[secret["secretName"], item["key"]])


def _expanded(variables: list[Manifest], folder: Path, address: str) -> dict[str, str]:
    """Return an environment as the kubelet makes it: with the pod's own fields, and references filled in."""
    found, fields = dict[str, str](), {"status.podIP": address, "metadata.name": "demo-pod-abcde"}
    for one in variables:
        value = one.get("value", "") if "valueFrom" not in one else fields[one["valueFrom"]["fieldRef"]["fieldPath"]]
        value = re.sub(r"\$\((\w+)\)", lambda match: found.get(match[1], match[0]), value)
        found[one["name"]] = f"{folder}{value}" if value.startswith(environment.SECRETS) else value
    return found


def _secrets(spec: manifests.Spec) -> dict[tuple[str, str], str]:
    """Return the content of the operator's own Secrets and of a user's, by name and key."""
    cluster = manifests.chatcluster(spec)
    drawn = (credentials.cluster_secret, credentials.redis_secret, credentials.synthetic_secret)
    own = [secret(cluster, DRAWN) for secret in drawn]
    external = cluster.spec.redis.external
    return {
        **{(one["metadata"]["name"], key): value for one in own for key, value in one["stringData"].items()},
        ("my-redis", "url"): URLS[external.mode if external else "single"],
        ("my-ca", "ca.crt"): "-----BEGIN CERTIFICATE-----",
    }


@functools.cache
def _readers(component: str) -> list[tuple[str, Reader]]:
    """Return all that a program's `main` reads its environment by: every call of a `from_env` in its source."""
    module = importlib.import_module(f"chatcluster.{component}.__main__")
    found = list[tuple[str, Reader]]()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="from_env"), args=[_, *rest]):
                name = ast.unparse(owner)
                read = functools.reduce(getattr, [*name.split("."), "from_env"], module)
                found.append((name, functools.partial(_call, read, [_value(one) for one in rest])))
    return found


def _call(read: Any, rest: list[str], environ: Mapping[str, str]) -> Any:
    return read(environ, *rest)


def _value(argument: ast.expr) -> Any:
    """Return what a program passes beside its environment; what it has read itself stands for any number."""
    return ast.literal_eval(argument) if isinstance(argument, ast.Constant) else 1.0


def bounded() -> Iterator[tuple[str, Any, Any]]:
    """Yield each number of the spec that is set once, with its least and its greatest value."""
    for node in crd.spec_nodes():
        path = node.path.removeprefix(".spec.")
        if node.schema.get("type") == "integer" and not re.search(r"[\[{]|autoscaling", path):
            yield path, node.schema["minimum"], node.schema["maximum"]


BOUNDED = list(bounded())
SPECS: dict[str, manifests.Spec] = {
    "empty": {},
    "everything": manifests.EVERYTHING,
    "least": merged(*(nested(path, least) for path, least, _ in BOUNDED)),
    "greatest": merged(*(nested(path, greatest) for path, _, greatest in BOUNDED)),
    **{f"{path}={value}": nested(path, value) for path, *values in BOUNDED for value in values},
    **{f"external {mode}": merged(WITH_CA, nested("redis.external.mode", mode)) for mode in URLS},
    "lists": {
        "connect": {"allowedOrigins": ["https://chat.example.com", "http://localhost:8080"]},
        "exposure": {"trustedProxies": ["10.0.0.0/8", "fd00::/8", "192.0.2.7"]},
    },
}


@dataclass(frozen=True)
class Arrival:
    """A field of the spec, and where its value is found in a program."""

    path: str
    value: Any
    found: Callable[[Pod], Any]
    base: manifests.Spec | None = None


def limit(name: str) -> Callable[[Pod], Any]:
    """Return how one of a gateway's limits is found."""
    return lambda pod: getattr(pod.settings.limits, name)


def kept(name: str, reader: str = "LogSettings") -> Callable[[Pod], Any]:
    """Return how one of the log's limits is found."""
    return lambda pod: getattr(pod.read[reader].limits, name)


LOG = [
    Arrival("shards", 32, lambda pod: pod.read["LogSettings"].shards),
    Arrival("rooms.historySize", 7, kept("history_size")),
    Arrival("rooms.historyBytes", 20_000, kept("history_bytes")),
    Arrival("rooms.historyBytes", 20_000, kept("read_bytes")),
    Arrival("rooms.historyTTLSeconds", 61, kept("history_ttl")),
    Arrival("redis.external.mode", "cluster", lambda pod: pod.read["redis.Settings"].mode, EXTERNAL),
]
ARRIVALS = {
    "api": [
        Arrival("limits.messagesPerSecond", 7, lambda pod: pod.settings.messages.per_second),
        Arrival("limits.messageBurst", 7, lambda pod: pod.settings.messages.burst),
        Arrival("exposure.trustedProxies", ["10.0.0.0/8"], lambda pod: trusted(pod.settings)),
        Arrival("exposure.websocketURL", "wss://a/ws", lambda pod: "".join(pod.settings.gateways.websocket)),
        Arrival("exposure.tcpAddress", "a:7001", lambda pod: "".join(pod.settings.gateways.tcp)),
    ],
    "connect": [
        Arrival("shards", 32, lambda pod: pod.read["log_settings.Settings"].shards),
        Arrival("connect.drainSeconds", 7, lambda pod: pod.settings.drain),
        Arrival("connect.maxConnections", 7, limit("connections")),
        Arrival("connect.websocket.pingSeconds", 7, limit("ping_interval")),
        Arrival("connect.websocket.pingTimeoutSeconds", 7, limit("ping_timeout")),
        Arrival("connect.allowedOrigins", ["https://a"], lambda pod: list(pod.settings.origins)),
        Arrival("limits.connectionsPerSecond", 7, lambda pod: pod.settings.limits.connecting.per_second),
        Arrival("limits.connectionsPerUser", 7, limit("per_user")),
        Arrival("limits.connectionsPerAddress", 7, limit("per_address")),
        Arrival("limits.messagesPerSecond", 7, lambda pod: pod.settings.limits.messages.per_second),
        Arrival("limits.messageBurst", 7, lambda pod: pod.settings.limits.messages.burst),
        Arrival("exposure.trustedProxies", ["10.0.0.0/8"], lambda pod: trusted(pod.settings)),
    ],
    "logic": [
        *LOG,
        Arrival("sessions.ttlSeconds", 7, lambda pod: pod.settings.policy.session_ttl),
        Arrival("limits.textBytes", 7, lambda pod: pod.settings.bounds.text_bytes),
        Arrival("limits.registrationsPerMinute", 7, lambda pod: pod.settings.policy.registrations),
        Arrival("limits.loginsPerMinute", 7, lambda pod: pod.settings.policy.logins),
        Arrival("limits.roomMessagesPerSecond", 7, kept("room_rate")),
        Arrival("limits.roomMessagesPerSecond", 7, lambda pod: pod.read["LogSettings"].limits.room_burst / 2),
        Arrival("limits.roomsPerUser", 7, kept("rooms_per_user")),
    ],
    "task": LOG,
    "synthetic": [Arrival("monitoring.syntheticUser.intervalSeconds", 7, lambda pod: pod.settings.interval)],
}
FIXED = {
    *("CLUSTER_NAME", "CLUSTER_SECRET_FILE", "HEALTH_HOST", "API_HOST", "CONNECT_HOST", "LOGIC_HOST"),
    *("DIRECTORY_LOGIC_SERVICE", "DIRECTORY_NAMESPACE", "CONNECT_NAME", "CONNECT_ADDRESS", "TASK_NAME"),
    *("REDIS_URL_FILE", "REDIS_CA_FILE", "POD_ADDRESS", "SYNTHETIC_API", "SYNTHETIC_PASSWORD_FILE"),
    *("SYNTHETIC_REPORT", "DIRECTORY_CONNECT_SERVICE"),
}
"""Variables that follow from no field of the spec; single tests below look at them."""


def trusted(settings: Any) -> list[str]:
    """Return the networks whose X-Forwarded-For is believed."""
    return [str(network) for network in settings.proxies._trusted]


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("spec", SPECS.values(), ids=list(SPECS))
def test_every_spec_starts_every_program(component: str, spec: manifests.Spec, tmp_path: Path) -> None:
    """What the schema takes the programs take, at each bound alone and at all together; and they read all of it."""
    pod = Pod(component, spec, tmp_path)

    rendered = {name for name in pod.environ if name.startswith("CHATCLUSTER_")}
    assert len(rendered) > 4
    assert rendered - pod.environ.asked == set()


@pytest.mark.parametrize(
    ("component", "arrival"),
    [(component, arrival) for component, arrivals in ARRIVALS.items() for arrival in arrivals],
    ids=lambda value: value.path if isinstance(value, Arrival) else value,
)
def test_values_arrive(component: str, arrival: Arrival, tmp_path: Path) -> None:
    """Each field of the spec ends up where the program keeps to it, and was something else before."""
    spec = merged(arrival.base or {}, nested(arrival.path, arrival.value))

    assert arrival.found(Pod(component, spec, tmp_path)) == arrival.value
    assert arrival.found(Pod(component, arrival.base or {}, tmp_path)) != arrival.value


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_variable_is_looked_at(component: str, tmp_path: Path) -> None:
    """By a value that arrives, or by a test of its own: a new variable fails here until it is."""
    numbers = itertools.count()

    def environ(spec: manifests.Spec) -> dict[str, str]:
        folder = tmp_path / str(next(numbers))
        found = Pod(component, spec, folder).environ.items()
        return {name.removeprefix("CHATCLUSTER_"): value.removeprefix(str(folder)) for name, value in found}

    looked_at, rendered = set(FIXED), set(environ(WITH_CA))
    for arrival in ARRIVALS[component]:
        base = environ(arrival.base or {})
        changed = environ(merged(arrival.base or {}, nested(arrival.path, arrival.value)))
        looked_at |= {name for name, value in changed.items() if base.get(name) != value}
        rendered |= set(changed)
    assert {name for name in rendered if name not in KUBELET} - looked_at == set()


@pytest.mark.parametrize("component", PROGRAMS)
def test_programs_know_one_another(component: str, tmp_path: Path) -> None:
    """By the ChatCluster's name and the secret that was drawn, which is one that programs take."""
    [cluster] = [read for name, read in Pod(component, {}, tmp_path).read.items() if name.endswith("Cluster")]

    assert (cluster.name, cluster.secret) == ("demo", DRAWN)


@pytest.mark.parametrize("component", ["logic", "task"])
def test_the_managed_redis_is_found(component: str, tmp_path: Path) -> None:
    """At the Service's name, with the password that was drawn."""
    redis = Pod(component, {}, tmp_path).read["redis.Settings"]

    assert redis.nodes == ((f"{SERVICES['redis']['metadata']['name']}.chat.svc", names.PORTS["redis"]),)
    assert (redis.password, redis.mode, redis.tls) == (DRAWN, redis_settings.Mode.SINGLE, False)


@pytest.mark.parametrize("component", ["logic", "task"])
def test_an_external_redis_is_found(component: str, tmp_path: Path) -> None:
    """At the user's address, and trusted by the user's certificates."""
    redis = Pod(component, WITH_CA, tmp_path).read["redis.Settings"]

    assert (redis.nodes, redis.username, redis.password) == ((("redis.example.com", 6380),), "user", "pass")
    assert redis.tls
    assert redis.ca_file == f"{tmp_path}{environment.SECRETS}/redis-ca/ca.crt"


@pytest.mark.parametrize("component", ["api", "connect"])
def test_logic_is_found(component: str, tmp_path: Path) -> None:
    """By its Service's name and its port's, in the ChatCluster's namespace."""
    pod = Pod(component, {}, tmp_path)
    found = directory_settings.Settings.from_env(pod.environ, "LOGIC")

    assert (found.target.service, found.target.namespace) == (SERVICES["logic"]["metadata"]["name"], "chat")
    assert found.port in {port["name"] for port in SERVICES["logic"]["spec"]["ports"]}
    assert "choice" in pod.read


def test_the_synthetic_user_finds_its_way(tmp_path: Path) -> None:
    """To the Services of api and gateways, by their ports, and to the object that it reports in; it may read both."""
    pod = Pod("synthetic", {}, tmp_path)
    api, connect = (SERVICES[name] for name in ("api", "connect"))
    found = directory_settings.Settings.from_env(pod.environ, "CONNECT")

    assert pod.settings.api == f"http://{api['metadata']['name']}:{api['spec']['ports'][0]['port']}"
    assert (pod.settings.password, found.target.service) == (DRAWN, connect["metadata"]["name"])
    assert found.port in {port["name"] for port in connect["spec"]["ports"]}
    assert pod.read["Report"]._path == "/api/v1/namespaces/chat/configmaps/demo-synthetic"
    assert ("ConfigMap", "demo-synthetic") in manifests.children()


def test_operator_and_synthetic_user_write_the_same_keys() -> None:
    """What the one asks the other hears, and what it answers the operator reads: of every part that can be at fault."""
    cluster = manifests.chatcluster()
    settled = manifests.settled(cluster)
    for part in Part:
        said = reporting.said(Verdict(False, Blame(part, "why"), "task=1"))
        report = {**settled.children["ConfigMap", "demo-synthetic"], "data": {reporting.QUESTION: "task=1", **said}}
        told = delivering.verdict(
            cluster, Observed(children={**settled.children, ("ConfigMap", "demo-synthetic"): report})
        )

        assert told == delivering.Verdict(False, f"{part.capitalize()}AtFault", f"{part}: why", part)


def test_a_gateway_says_where_it_is(tmp_path: Path) -> None:
    """Its address is its pod's, at the port that its container has; its name is the pod's, and so is a task's."""
    connect, task = (Pod(component, {}, tmp_path).settings for component in ("connect", "task"))

    assert connect.address == f"10.1.2.3:{names.PORTS['connect']}"
    assert connect.name == task.name == "demo-pod-abcde"


@pytest.mark.parametrize("component", COMPONENTS)
def test_programs_serve_the_ports_that_their_containers_have(component: str, tmp_path: Path) -> None:
    """To others than themselves: on all addresses of the pod."""
    pod = Pod(component, {}, tmp_path)
    health = pod.read["health.Settings"]
    listening = {health.port, *(value for name, value in attributes(pod.settings) if name.endswith("port"))}

    assert listening == {port["containerPort"] for port in pod.container["ports"]}
    hosts = {health.host, *(value for name, value in attributes(pod.settings) if name == "host")}
    assert hosts == {"0.0.0.0"}  # noqa: S104 - of a pod


@pytest.mark.parametrize("component", COMPONENTS)
def test_programs_run_where_there_is_only_ipv6(component: str, tmp_path: Path) -> None:
    """They listen on all addresses of the pod there too, and a gateway is found."""
    pod = Pod(component, {}, tmp_path, address="fd00::7")

    hosts = {value for name, value in attributes(pod.settings) if name == "host"}
    assert hosts | {pod.read["health.Settings"].host} == {"::"}
    if component == "connect":
        assert pod.settings.address == f"[fd00::7]:{names.PORTS['connect']}"


def attributes(settings: Any) -> list[tuple[str, Any]]:
    """Return the fields of settings with their values."""
    return [(name, getattr(settings, name)) for name in settings.__dataclass_fields__]


@pytest.mark.parametrize("drain", [0, 45, 3600])
@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_are_not_killed_before_they_have_drained(component: str, drain: int, tmp_path: Path) -> None:
    """The grace period holds the sleep before SIGTERM, the program's own drain, and some seconds to end."""
    pod = Pod(component, nested("connect.drainSeconds", drain), tmp_path)
    sleep = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)

    assert pod.spec["terminationGracePeriodSeconds"] >= sleep + getattr(pod.settings, "drain", 5) + 5
