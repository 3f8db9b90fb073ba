"""A ChatCluster as its user wrote it.

Owns the types of the resource's spec and how a body becomes one. Does not own which values are allowed: the schema in
crds/ says that, and the API server keeps to it; the defaults here are the schema's (tests/contract holds the two
together), so that a body from before a field existed reads like a new one.

Pure. Field names are those of the resource in snake case. Meaning, unit and bound of each field stand in crds/.
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

import msgspec

from chatcluster_operator import errors

Component = Literal["task", "logic", "api", "connect"]
COMPONENTS: tuple[Component, ...] = ("task", "logic", "api", "connect")
"""In the order in which they are rolled out: whoever reads a message's newest form comes before whoever writes it."""


class Resources(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of one container: quantities by name, which may be bare numbers as in a pod.

    Each quantity has a default of its own: `kubectl apply` merges a part into what the API server has filled in before.
    """

    requests: dict[str, str | int] = msgspec.field(default_factory=lambda: {"cpu": "100m", "memory": "96Mi"})
    limits: dict[str, str | int] = msgspec.field(default_factory=lambda: {"memory": "256Mi"})


class GatewayResources(Resources, frozen=True, kw_only=True, rename="camel"):
    """Connections take memory."""

    requests: dict[str, str | int] = msgspec.field(default_factory=lambda: {"cpu": "100m", "memory": "128Mi"})
    limits: dict[str, str | int] = msgspec.field(default_factory=lambda: {"memory": "512Mi"})


class RedisResources(Resources, frozen=True, kw_only=True, rename="camel"):
    """So does everything that was ever said."""

    requests: dict[str, str | int] = msgspec.field(default_factory=lambda: {"cpu": "100m", "memory": "256Mi"})
    limits: dict[str, str | int] = msgspec.field(default_factory=lambda: {"memory": "512Mi"})


class Autoscaling(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A HorizontalPodAutoscaler."""

    max_replicas: int
    min_replicas: int = 2
    target_cpu_utilization: int = msgspec.field(name="targetCPUUtilization", default=70)


class EnvVar(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A plain variable; secrets go into files."""

    name: str
    value: str = ""


class PodTemplate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a user may add to the pods of a component."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    affinity: dict[str, Any] = {}
    tolerations: list[dict[str, Any]] = []
    topology_spread_constraints: list[dict[str, Any]] = []
    priority_class_name: str = ""
    env: list[EnvVar] = []


class Program(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of the four programs."""

    replicas: int = 2
    resources: Resources = Resources()
    autoscaling: Autoscaling | None = None
    pod_template: PodTemplate = PodTemplate()


class Websocket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The websocket gateway."""

    ping_seconds: int = 54
    ping_timeout_seconds: int = 6


class Tcp(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The TCP gateway."""

    enabled: bool = True


class Connect(Program, frozen=True, kw_only=True, rename="camel"):
    """The gateways."""

    resources: GatewayResources = GatewayResources()
    websocket: Websocket = Websocket()
    tcp: Tcp = Tcp()
    drain_seconds: int = 45
    max_connections: int = 10_000
    allowed_origins: list[str] = []


class Storage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The volume of the managed Redis."""

    size: str = "1Gi"
    storage_class_name: str | None = None


class Managed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A Redis that belongs to the ChatCluster."""

    image: str = "valkey/valkey:8.1-alpine"
    storage: Storage = Storage()
    appendfsync: Literal["everysec", "always"] = "everysec"
    resources: RedisResources = RedisResources()
    retention: Literal["Retain", "Delete"] = "Retain"


class SecretKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One key of a Secret in the ChatCluster's namespace."""

    name: str
    key: str


class External(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A Redis that somebody else runs."""

    url_secret_ref: SecretKey
    ca_secret_ref: SecretKey | None = None
    mode: Literal["single", "sentinel", "cluster"] = "single"


class Redis(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Exactly one of the two."""

    managed: Managed | None = None
    external: External | None = None


class Rooms(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is kept of each room."""

    history_size: int = 1_000
    history_bytes: int = 4 * 2**20
    history_ttl_seconds: int = msgspec.field(name="historyTTLSeconds", default=7 * 86_400)


class Sessions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Logged-in users."""

    ttl_seconds: int = 86_400


class Limits(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one client, user, address or room may do."""

    text_bytes: int = 4_096
    messages_per_second: int = 10
    message_burst: int = 20
    room_messages_per_second: int = 200
    rooms_per_user: int = 200
    connections_per_user: int = 10
    connections_per_address: int = 0
    connections_per_second: int = 500
    registrations_per_minute: int = 10
    logins_per_minute: int = 30


class Exposed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A Service for clients."""

    service_type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    annotations: dict[str, str] = {}


class Ingress(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One host name for the api and the websocket."""

    host: str
    class_name: str | None = None
    tls_secret_name: str | None = None
    annotations: dict[str, str] = {}


class Exposure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How clients come in."""

    api: Exposed = Exposed()
    connect: Exposed = Exposed()
    ingress: Ingress | None = None
    websocket_url: str | None = msgspec.field(name="websocketURL", default=None)
    tcp_address: str | None = None
    trusted_proxies: list[str] = []


class NetworkPolicy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who may talk to the pods."""

    enabled: bool = True


class SyntheticUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who sends messages all the time, to see that they arrive."""

    enabled: bool = True
    interval_seconds: int = 5


class Monitoring(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it is seen that all is well."""

    scrape: bool = True
    synthetic_user: SyntheticUser = SyntheticUser()


class Spec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole of it."""

    image: str | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[dict[str, str]] = []
    api: Program = Program()
    logic: Program = Program()
    connect: Connect = Connect()
    task: Program = Program()
    redis: Redis = Redis(managed=Managed())
    shards: int = 16
    rooms: Rooms = Rooms()
    sessions: Sessions = Sessions()
    limits: Limits = Limits()
    exposure: Exposure = Exposure()
    network_policy: NetworkPolicy = NetworkPolicy()
    monitoring: Monitoring = Monitoring()

    def program(self, component: Component) -> Program:
        """What the spec says of one program."""
        program: Program = getattr(self, component)
        return program


class ChatCluster(msgspec.Struct, frozen=True, kw_only=True):
    """One resource at one generation."""

    name: str
    namespace: str
    uid: str
    generation: int
    paused: bool
    """Whether the annotation `chatcluster.io/paused` is "true"."""
    spec: Spec

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object of the API server. Raises `InvalidSpec`, which names the field."""
        metadata = body["metadata"]
        try:
            spec = msgspec.convert(body.get("spec") or {}, Spec)
        except msgspec.ValidationError as exc:
            raise errors.InvalidSpec(str(exc).replace("`$", "`spec")) from exc
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            generation=metadata["generation"],
            paused=metadata.get("annotations", {}).get("chatcluster.io/paused") == "true",
            spec=spec,
        )
