"""What each field of a ChatCluster comes to: for every leaf of the schema another value, and all that changes with it.

One table for two levels: the builders alone (tests/unit), and an operator on an API server (tests/cluster). The pods of
a component are replaced if its template is among the changes, and only then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatcluster_operator import names
from chatcluster_operator.spec import COMPONENTS
from support import leaves, manifests
from support.leaves import KEY, Differences

SERVING = "task logic api connect synthetic"
"""Whoever runs the image of the programs."""
WITH_REDIS = f"{SERVING} redis"
AUTHORS, STORES = "api connect", "task logic"
POD_TEMPLATE = {
    "labels": {KEY: "before"},
    "annotations": {KEY: "before"},
    "nodeSelector": {KEY: "before"},
    "tolerations": [{"key": "dedicated", "operator": "Equal", "effect": "NoExecute"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClassName": "before",
    "env": [{"name": "CHATCLUSTER_TELEMETRY_LEVEL", "value": "debug"}],
}
BASE: Mapping[str, Any] = manifests.merged(
    {component: {"podTemplate": POD_TEMPLATE} for component in COMPONENTS},
    {
        "imagePullSecrets": [{"name": "before"}],
        "connect": {"allowedOrigins": ["https://a.example.com"]},
        "exposure": {
            "api": {"annotations": {KEY: "before"}},
            "connect": {"annotations": {KEY: "before"}},
            "ingress": {"host": "a.example.com", "tlsSecretName": "before", "annotations": {KEY: "before"}},
            "tcpAddress": "a.example.com:7001",
            "trustedProxies": ["10.0.0.0/8"],
        },
    },
)
"""A spec that has something in each list and map, and in whatever else a change could take away."""
SCALED: Mapping[str, Any] = {component: {"autoscaling": {"maxReplicas": 5}} for component in COMPONENTS}
EXTERNAL: Mapping[str, Any] = {
    "redis": {
        "external": {
            "urlSecretRef": {"name": "before", "key": "before"},
            "caSecretRef": {"name": "before", "key": "before"},
        }
    }
}
NEAR_NODES = {
    "requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
    }
}
NEAR_PODS = {
    "requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "cache"}}}
    ]
}


@dataclass(frozen=True)
class Change:
    """Another value of one leaf, and what that comes to."""

    value: Any
    shows: Differences
    """All that differs in the children then; `...` is any other value."""
    status: Differences = field(default_factory=dict)
    """Likewise, of the ChatCluster's status, conditions left aside."""
    base: Mapping[str, Any] = field(default_factory=lambda: BASE)
    """The spec that the leaf is changed in."""
    refused: str = ""
    """What is said to whoever changes it on a live resource; empty: it can be changed."""
    is_for_good: bool = False
    """Whether it cannot be changed back."""


def pods(components: str, path: str, value: Any) -> Differences:
    """Return a change of these components' pod templates."""
    kinds = {names.REDIS: "StatefulSet"}
    return {f"{kinds.get(one, 'Deployment')} {one} spec.template.{path}": value for one in components.split()}


def containers(components: str, path: str, value: Any) -> Differences:
    """Return a change of their containers."""
    return merged(*(pods(one, f"spec.containers.{one}.{path}", value) for one in components.split()))


def variable(components: str, name: str, value: Any) -> Differences:
    """Return a change of a variable in their environment."""
    return containers(components, f"env.CHATCLUSTER_{name}.value", str(value))


def gone(kind: str, components: str) -> Differences:
    """Return that these children are there no more."""
    return {f"{kind} {component}": None for component in components.split()}


def merged(*changes: Differences) -> Differences:
    """Return all of these changes."""
    return {key: value for change in changes for key, value in change.items()}


def of_program(component: str) -> Iterator[tuple[str, Change]]:
    """Yield the leaves that all four programs have."""
    alone = gone("PodDisruptionBudget", component)
    counts = dict.fromkeys(
        (f"components.{component}.{count}" for count in ("desired", "replicas", "updated", "ready")), 1
    )
    summary = {f"components.{component}.summary": "1/1"}
    scaler = f"HorizontalPodAutoscaler {component} spec"
    usage = f"{scaler}.metrics.0.resource.target.averageUtilization"
    yield "replicas", Change(1, {f"Deployment {component} spec.replicas": 1, **alone}, {**counts, **summary})
    yield "autoscaling.minReplicas", Change(1, {f"{scaler}.minReplicas": 1, **alone}, base=SCALED)
    yield "autoscaling.maxReplicas", Change(9, {f"{scaler}.maxReplicas": 9}, base=SCALED)
    yield "autoscaling.targetCPUUtilization", Change(50, {usage: 50}, base=SCALED)
    for resource, value in (("requests.cpu", "1"), ("requests.memory", "80Mi"), ("limits.cpu", "2")):
        yield f"resources.{resource}", Change(value, containers(component, f"resources.{resource}", value))
    yield "resources.limits.memory", Change("1Gi", containers(component, "resources.limits.memory", "1Gi"))
    for path, change in of_pod_template(component):
        yield f"podTemplate.{path}", change


def of_pod_template(component: str) -> Iterator[tuple[str, Change]]:
    """Yield what can be said of a program's pods."""
    for name in ("labels", "annotations"):
        yield f"{name}{{}}", Change("after", pods(component, f"metadata.{name}.{KEY}", "after"))
    placed = "task synthetic" if component == "task" else component
    yield "nodeSelector{}", Change("after", pods(placed, f"spec.nodeSelector.{KEY}", "after"))
    for name, near in (("nodeAffinity", NEAR_NODES), ("podAffinity", NEAR_PODS), ("podAntiAffinity", NEAR_PODS)):
        shows = merged(*(pods(component, path, text) for path, text in leaves.flat(near, f"spec.affinity.{name}")))
        yield f"affinity.{name}", Change(near, shows)
    for name, value in (
        *(("key", "after"), ("operator", "Exists"), ("value", "after"), ("effect", "NoSchedule")),
        ("tolerationSeconds", 60),
    ):
        yield f"tolerations[].{name}", Change(value, pods(placed, f"spec.tolerations.0.{name}", value))
    for name, value in (
        *(("maxSkew", 2), ("topologyKey", "after"), ("whenUnsatisfiable", "ScheduleAnyway"), ("minDomains", 2)),
        *(("nodeAffinityPolicy", "Ignore"), ("nodeTaintsPolicy", "Honor")),
    ):
        path = f"spec.topologySpreadConstraints.0.{name}"
        yield f"topologySpreadConstraints[].{name}", Change(value, pods(component, path, value))
    yield "priorityClassName", Change("after", pods(component, "spec.priorityClassName", "after"))
    was, becomes = "env.CHATCLUSTER_TELEMETRY_LEVEL.value", "env.AFTER.value"
    yield "env[].name", Change("AFTER", containers(component, was, None) | containers(component, becomes, "debug"))
    yield "env[].value", Change("after", containers(component, was, "after"))


def of_images() -> Iterator[tuple[str, Change]]:
    """Yield what images are run, and how nodes get them."""
    status = {"version": "2", **{f"components.{component}.image": "after:2" for component in COMPONENTS}}
    yield "image", Change("after:2", containers(SERVING, "image", "after:2"), status)
    yield "imagePullPolicy", Change("Always", containers(WITH_REDIS, "imagePullPolicy", "Always"))
    secrets = pods(WITH_REDIS, "spec.imagePullSecrets.before", None) | pods(
        WITH_REDIS, "spec.imagePullSecrets.after", ""
    )
    yield "imagePullSecrets[].name", Change("after", secrets)


def of_connect() -> Iterator[tuple[str, Change]]:
    """Yield what only gateways have."""
    for path, name in (
        *(("websocket.pingSeconds", "PING_INTERVAL"), ("websocket.pingTimeoutSeconds", "PING_TIMEOUT")),
        ("maxConnections", "MAX_CONNECTIONS"),
    ):
        yield path, Change(7, variable("connect", f"CONNECT_{name}", 7))
    port, rule = "Service connect spec.ports.tcp", "NetworkPolicy connect spec.ingress.0.ports.1"
    closed = [f"{port}.port", f"{port}.protocol", f"{port}.targetPort", f"{rule}.port", f"{rule}.protocol"]
    untold = containers("api", "env.CHATCLUSTER_API_TCP_ADDRESS.value", None)
    yield "tcp.enabled", Change(False, dict.fromkeys(closed) | untold, {"endpoints.tcp": None})
    grace = pods("connect", "spec.terminationGracePeriodSeconds", 5 + 7 + 10)
    yield "drainSeconds", Change(7, variable("connect", "CONNECT_DRAIN_SECONDS", 7) | grace)
    origin = "https://b.example.com"
    yield "allowedOrigins[]", Change(origin, variable("connect", "CONNECT_ALLOWED_ORIGINS", origin))


def of_managed() -> Iterator[tuple[str, Change]]:
    """Yield what can be said of a managed Redis."""
    stateful_set, settings = "StatefulSet redis spec", "ConfigMap redis data.redis.conf"
    restarts = pods("redis", f"metadata.annotations.{names.CONFIGURATION_HASH}", ...)
    volume = f"{stateful_set}.volumeClaimTemplates.0.spec"
    yield "image", Change("redis:7.0", containers("redis", "image", "redis:7.0"))
    yield "storage.size", Change("2Gi", {f"{volume}.resources.requests.storage": "2Gi"}, is_for_good=True)
    refused = "storageClassName cannot change, as a volume's cannot"
    yield "storage.storageClassName", Change("fast", {f"{volume}.storageClassName": "fast"}, refused=refused)
    yield "appendfsync", Change("always", {f"{settings}.appendfsync": "always", **restarts})
    for resource, value in (("requests.cpu", "1"), ("requests.memory", "80Mi"), ("limits.cpu", "2")):
        yield f"resources.{resource}", Change(value, containers("redis", f"resources.{resource}", value))
    limit = containers("redis", "resources.limits.memory", "1Gi")
    sixty_percent = {f"{settings}.maxmemory": f"{2**30 * 6 // 10}"}
    yield "resources.limits.memory", Change("1Gi", {**limit, **sixty_percent, **restarts})
    yield "retention", Change("Delete", {})  # shows in the volume's claim, see test_claims


def of_external() -> Iterator[tuple[str, Change]]:
    """Yield what can be said of somebody else's Redis."""
    other = pods(STORES, f"metadata.annotations.{names.SECRETS_HASH}", ...)
    for reference, volume in (("urlSecretRef", "redis"), ("caSecretRef", "redis-ca")):
        secret = f"spec.volumes.{volume}.secret"
        named, key = pods(STORES, f"{secret}.secretName", "after"), pods(STORES, f"{secret}.items.0.key", "after")
        yield f"{reference}.name", Change("after", named | other, base=EXTERNAL)
        yield f"{reference}.key", Change("after", key | other, base=EXTERNAL)
    yield "mode", Change("sentinel", variable(STORES, "REDIS_MODE", "sentinel"), base=EXTERNAL)


def of_messages() -> Iterator[tuple[str, Change]]:
    """Yield what is kept, and what anybody may do."""
    refused = "shards cannot change: rooms are found by their number"
    yield "shards", Change(32, variable(f"{STORES} connect", "LOG_SHARDS", 32), refused=refused)
    yield "rooms.historySize", Change(7, variable(STORES, "LOG_HISTORY_SIZE", 7))
    bytes_ = variable(STORES, "LOG_HISTORY_BYTES", 20_000) | variable(STORES, "LOG_READ_BYTES", 20_000)
    yield "rooms.historyBytes", Change(20_000, bytes_)
    yield "rooms.historyTTLSeconds", Change(70, variable(STORES, "LOG_HISTORY_TTL", 70))
    yield "sessions.ttlSeconds", Change(70, variable("logic", "LOGIC_SESSION_TTL", 70))
    rate = variable("logic", "LOG_ROOM_RATE", 7) | variable("logic", "LOG_ROOM_BURST", 14)
    yield "limits.roomMessagesPerSecond", Change(7, rate)
    for path, component, name in (
        ("textBytes", "logic", "LOGIC_TEXT_BYTES"),
        ("roomsPerUser", "logic", "LOG_ROOMS_PER_USER"),
        ("registrationsPerMinute", "logic", "LOGIC_REGISTER_RATE"),
        ("loginsPerMinute", "logic", "LOGIC_LOGIN_RATE"),
        ("connectionsPerUser", "connect", "CONNECT_MAX_PER_USER"),
        ("connectionsPerAddress", "connect", "CONNECT_MAX_PER_ADDRESS"),
        ("connectionsPerSecond", "connect", "CONNECT_RATE"),
    ):
        yield f"limits.{path}", Change(7, variable(component, name, 7))
    for path, name in (("messagesPerSecond", "MESSAGE_RATE"), ("messageBurst", "MESSAGE_BURST")):
        yield f"limits.{path}", Change(7, variable("api", f"API_{name}", 7) | variable("connect", f"CONNECT_{name}", 7))


def of_exposure() -> Iterator[tuple[str, Change]]:
    """Yield how clients come in."""
    for service, kind in (("api", "NodePort"), ("connect", "LoadBalancer")):
        yield f"{service}.serviceType", Change(kind, {f"Service {service} spec.type": kind})
        yield f"{service}.annotations{{}}", Change("after", {f"Service {service} metadata.annotations.{KEY}": "after"})
    ingress, host = "Ingress ingress", "b.example.com"
    hosts = dict.fromkeys((f"{ingress} spec.rules.0.host", f"{ingress} spec.tls.0.hosts.0"), host)
    yield "ingress.host", Change(host, hosts | variable("api", "API_WEBSOCKET_URL", f"wss://{host}/ws"))
    yield "ingress.className", Change("after", {f"{ingress} spec.ingressClassName": "after"})
    yield "ingress.tlsSecretName", Change("after", {f"{ingress} spec.tls.0.secretName": "after"})
    yield "ingress.annotations{}", Change("after", {f"{ingress} metadata.annotations.{KEY}": "after"})
    url, place = "ws://c.example.com:7000/ws", "c.example.com:7001"
    yield "websocketURL", Change(url, variable("api", "API_WEBSOCKET_URL", url))
    yield "tcpAddress", Change(place, variable("api", "API_TCP_ADDRESS", place))
    proxies = [variable(one, f"{one.upper()}_TRUSTED_PROXIES", "fd00::/8") for one in AUTHORS.split()]
    yield "trustedProxies[]", Change("fd00::/8", merged(*proxies))


def of_surroundings() -> Iterator[tuple[str, Change]]:
    """Yield what else there is around the pods."""
    yield "networkPolicy.enabled", Change(False, gone("NetworkPolicy", WITH_REDIS))
    scraped = [pods(SERVING, f"metadata.annotations.prometheus.io/{name}", None) for name in ("scrape", "port", "path")]
    yield "monitoring.scrape", Change(False, merged(*scraped))
    user, reader = "monitoring.syntheticUser", "RoleBinding discovery subjects.synthetic"
    objects = ["ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Deployment", "NetworkPolicy"]
    gone_with_it = merged(*(gone(kind, "synthetic") for kind in objects))
    unbound = {f"{reader}.{field}": None for field in ("kind", "namespace")}
    yield f"{user}.enabled", Change(False, gone_with_it | unbound)
    yield f"{user}.intervalSeconds", Change(7, variable("synthetic", "SYNTHETIC_INTERVAL", 7))


CHANGES: dict[str, Change] = {
    **dict(of_images()),
    **{f"{component}.{path}": change for component in COMPONENTS for path, change in of_program(component)},
    **{f"connect.{path}": change for path, change in of_connect()},
    **{f"redis.managed.{path}": change for path, change in of_managed()},
    **{f"redis.external.{path}": change for path, change in of_external()},
    **dict(of_messages()),
    **{f"exposure.{path}": change for path, change in of_exposure()},
    **dict(of_surroundings()),
}
"""By the path of the leaf."""
