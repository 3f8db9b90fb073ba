"""The environment of each program, rendered from the spec.

Owns which field of the spec becomes which variable of which program, so that a changed field rolls exactly the pods
that read it. Does not own what a variable means: the programs' settings do, and tests/contract holds the two together.
Pure. Secrets are files: their variables name paths.
"""

from collections.abc import Mapping

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster, Component, Ingress

SECRETS = "/run/secrets/chatcluster"
_READ_BYTES = 512 * 1024
"""Of history in one step of Redis, the programs' default; they refuse more than a whole history."""
_BURST = 2
"""A room's burst, in seconds of its rate; as the programs' own default has it."""


def variables(cluster: ChatCluster, component: Component) -> dict[str, str]:
    """All variables of one of the four programs but those that differ between its pods."""
    rendered: Mapping[str, object] = {
        "CLUSTER_NAME": cluster.name,
        "CLUSTER_SECRET_FILE": f"{SECRETS}/cluster/secret",
        "HEALTH_HOST": "0.0.0.0",  # noqa: S104 - probes and the scraper come from outside of the pod
        **_OF[component](cluster),
    }
    return _named(rendered)


def of_synthetic(cluster: ChatCluster) -> dict[str, str]:
    """All variables of the synthetic user: it is no part of the cluster, and does not know its secret."""
    return _named(
        {
            "HEALTH_HOST": "0.0.0.0",  # noqa: S104 - likewise
            "SYNTHETIC_API": f"http://{names.child(cluster, 'api')}:{names.PORTS['api']}",
            "SYNTHETIC_PASSWORD_FILE": f"{SECRETS}/synthetic/password",
            "SYNTHETIC_INTERVAL": cluster.spec.monitoring.synthetic_user.interval_seconds,
            "SYNTHETIC_REPORT": names.child(cluster, names.SYNTHETIC),
            "DIRECTORY_CONNECT_SERVICE": f"{names.child(cluster, 'connect')}:websocket",
            "DIRECTORY_NAMESPACE": cluster.namespace,
        }
    )


def of_pod(component: Component) -> list[Manifest]:
    """The variables that differ between pods, in the order in which they refer to each other."""
    name = f"CHATCLUSTER_{component.upper()}_NAME"
    return [
        POD_ADDRESS,
        *([_field(name, "metadata.name")] if component in _NAMED else []),
        *([_ADDRESS] if component == "connect" else []),
    ]


def _api(cluster: ChatCluster) -> Mapping[str, object]:
    limits = cluster.spec.limits
    return {
        **_discovery(cluster),
        "API_HOST": "0.0.0.0",  # noqa: S104 - the Service leads here
        "API_MESSAGE_RATE": limits.messages_per_second,
        "API_MESSAGE_BURST": limits.message_burst,
        **_listed("API_TRUSTED_PROXIES", cluster.spec.exposure.trusted_proxies),
        **_gateways(cluster),
    }


def _gateways(cluster: ChatCluster) -> Mapping[str, object]:
    """Where clients find them, as far as the spec says it.

    What a Service has become, a node's port or a load balancer's address, is not asked: pods would be replaced whenever
    that changes, and names and certificates in front of it are not known here anyway.
    """
    exposure, tcp = cluster.spec.exposure, cluster.spec.connect.tcp.enabled
    told = {
        "API_WEBSOCKET_URL": exposure.websocket_url or _websocket_of(exposure.ingress),
        "API_TCP_ADDRESS": exposure.tcp_address if tcp else None,
    }
    return {name: place for name, place in told.items() if place}


def _websocket_of(ingress: Ingress | None) -> str | None:
    if ingress is None:
        return None
    return f"{'wss' if ingress.tls_secret_name else 'ws'}://{ingress.host}/ws"


def _connect(cluster: ChatCluster) -> Mapping[str, object]:
    spec, limits = cluster.spec.connect, cluster.spec.limits
    return {
        **_discovery(cluster),
        "LOG_SHARDS": cluster.spec.shards,
        "CONNECT_HOST": "0.0.0.0",  # noqa: S104 - the Service leads here, and task
        "CONNECT_DRAIN_SECONDS": spec.drain_seconds,
        "CONNECT_MAX_CONNECTIONS": spec.max_connections,
        "CONNECT_PING_INTERVAL": spec.websocket.ping_seconds,
        "CONNECT_PING_TIMEOUT": spec.websocket.ping_timeout_seconds,
        "CONNECT_RATE": limits.connections_per_second,
        "CONNECT_MAX_PER_USER": limits.connections_per_user,
        "CONNECT_MAX_PER_ADDRESS": limits.connections_per_address,
        "CONNECT_MESSAGE_RATE": limits.messages_per_second,
        "CONNECT_MESSAGE_BURST": limits.message_burst,
        **_listed("CONNECT_ALLOWED_ORIGINS", spec.allowed_origins),
        **_listed("CONNECT_TRUSTED_PROXIES", cluster.spec.exposure.trusted_proxies),
    }


def _logic(cluster: ChatCluster) -> Mapping[str, object]:
    limits = cluster.spec.limits
    return {
        **_log(cluster),
        "LOGIC_HOST": "0.0.0.0",  # noqa: S104 - api and the gateways come from other pods
        "LOGIC_SESSION_TTL": cluster.spec.sessions.ttl_seconds,
        "LOGIC_TEXT_BYTES": limits.text_bytes,
        "LOGIC_REGISTER_RATE": limits.registrations_per_minute,
        "LOGIC_LOGIN_RATE": limits.logins_per_minute,
        "LOG_ROOM_RATE": limits.room_messages_per_second,
        "LOG_ROOM_BURST": _BURST * limits.room_messages_per_second,
        "LOG_ROOMS_PER_USER": limits.rooms_per_user,
    }


def _task(cluster: ChatCluster) -> Mapping[str, object]:
    return _log(cluster)


def _log(cluster: ChatCluster) -> Mapping[str, object]:
    rooms, external = cluster.spec.rooms, cluster.spec.redis.external
    return {
        "REDIS_URL_FILE": f"{SECRETS}/redis/url",
        "REDIS_MODE": external.mode if external else "single",
        **({"REDIS_CA_FILE": f"{SECRETS}/redis-ca/ca.crt"} if external and external.ca_secret_ref else {}),
        "LOG_SHARDS": cluster.spec.shards,
        "LOG_HISTORY_SIZE": rooms.history_size,
        "LOG_HISTORY_BYTES": rooms.history_bytes,
        "LOG_READ_BYTES": min(_READ_BYTES, rooms.history_bytes),
        "LOG_HISTORY_TTL": rooms.history_ttl_seconds,
    }


def _discovery(cluster: ChatCluster) -> Mapping[str, object]:
    return {
        "DIRECTORY_LOGIC_SERVICE": f"{names.child(cluster, 'logic')}:grpc",
        "DIRECTORY_NAMESPACE": cluster.namespace,
    }


def _listed(name: str, values: list[str]) -> Mapping[str, object]:
    return {name: ",".join(values)} if values else {}


def _named(rendered: Mapping[str, object]) -> dict[str, str]:
    return {f"CHATCLUSTER_{name}": str(value) for name, value in rendered.items()}


def _field(name: str, path: str) -> Manifest:
    # apiVersion is the API server's own default, said so that what is wanted reads like what comes back.
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


POD_ADDRESS = _field("CHATCLUSTER_POD_ADDRESS", "status.podIP")
"""Where it is one of IPv6, programs bind `::` for 0.0.0.0, and read the address below as if it had brackets."""
_NAMED = ("connect", "task")
"""Gateways have leases and tasks own shards, by the name of the pod."""
_ADDRESS = {"name": "CHATCLUSTER_CONNECT_ADDRESS", "value": f"$({POD_ADDRESS['name']}):{names.PORTS['connect']}"}
_OF = {"api": _api, "connect": _connect, "logic": _logic, "task": _task}
