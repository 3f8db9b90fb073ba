"""Who may talk to whom: NetworkPolicies, and the Ingress for clients.

Owns the flows. For every component a policy names all that may come in and go out; what is not named is refused, where
the cluster's network enforces policies at all. Kubelets' probes always come in. Pure.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster


def policies(cluster: ChatCluster) -> list[Manifest]:
    """One for each component; none where the spec turns them off."""
    if not cluster.spec.network_policy.enabled:
        return []
    managed, synthetic = cluster.spec.redis.managed is not None, cluster.spec.monitoring.synthetic_user.enabled
    watched = [_to(cluster, "api", "api"), _to(cluster, "connect", "websocket"), _API_SERVER]
    return [
        _policy(cluster, "api", [_in("api")], [_to(cluster, "logic", "logic"), _API_SERVER]),
        _policy(cluster, "connect", _into_connect(cluster), [_to(cluster, "logic", "logic"), _API_SERVER]),
        _policy(cluster, "logic", [_from(cluster, ("api", "connect"), "logic")], [_to_redis(cluster)]),
        _policy(cluster, "task", [], [_to_redis(cluster), _to(cluster, "connect", "connect")]),
        *([_policy(cluster, names.SYNTHETIC, [], watched)] if synthetic else []),
        *([_redis(cluster)] if managed else []),
    ]


def ingress(cluster: ChatCluster) -> Manifest | None:
    """One host: the websocket below /ws, and REST for the rest."""
    wanted = cluster.spec.exposure.ingress
    if wanted is None:
        return None
    paths = [_path(cluster, "/ws", "connect", "websocket"), _path(cluster, "/", "api", "http")]
    tls = [{"hosts": [wanted.host], "secretName": wanted.tls_secret_name}] if wanted.tls_secret_name else []
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": names.metadata(cluster, "ingress", name=cluster.name, annotations=wanted.annotations),
        "spec": names.pruned(
            {
                "ingressClassName": wanted.class_name,
                "rules": [{"host": wanted.host, "http": {"paths": paths}}],
                "tls": tls,
            }
        ),
    }


def _path(cluster: ChatCluster, path: str, component: str, port: str) -> Manifest:
    backend = {"service": {"name": names.child(cluster, component), "port": {"name": port}}}
    return {"path": path, "pathType": "Prefix", "backend": backend}


def _policy(cluster: ChatCluster, component: str, into: list[Manifest], out: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(cluster, component),
        "spec": {
            "podSelector": {"matchLabels": names.selector(cluster, component)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [*into, _SCRAPER],
            "egress": [*out, _DNS],
        },
    }


def _redis(cluster: ChatCluster) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(cluster, names.REDIS),
        "spec": {
            "podSelector": {"matchLabels": names.selector(cluster, names.REDIS)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [_from(cluster, ("logic", "task"), "redis")],
        },
    }


def _into_connect(cluster: ChatCluster) -> list[Manifest]:
    clients = ["websocket"] + (["tcp"] if cluster.spec.connect.tcp.enabled else [])
    return [_in(*clients), _from(cluster, ("task",), "connect")]


def _in(*ports: str) -> Manifest:
    """From anywhere."""
    return {"ports": [_tcp(names.PORTS[port]) for port in ports]}


def _from(cluster: ChatCluster, components: tuple[str, ...], port: str) -> Manifest:
    return {"from": [_pods(cluster, component) for component in components], "ports": [_tcp(names.PORTS[port])]}


def _to(cluster: ChatCluster, component: str, port: str) -> Manifest:
    return {"to": [_pods(cluster, component)], "ports": [_tcp(names.PORTS[port])]}


def _to_redis(cluster: ChatCluster) -> Manifest:
    """The managed one; an external one may be anywhere, on any port, and its Sentinels and nodes are not known here."""
    if cluster.spec.redis.managed is None:
        return {"ports": [{"protocol": "TCP"}]}
    return _to(cluster, names.REDIS, "redis")


def _pods(cluster: ChatCluster, component: str) -> Manifest:
    return {"podSelector": {"matchLabels": names.selector(cluster, component)}}


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}


_SCRAPER = {"from": [{"namespaceSelector": {}}], "ports": [_tcp(names.PORTS["health"])]}
"""Metrics and health, for pods of this Kubernetes cluster in any namespace."""
_DNS = {"ports": [{"protocol": "UDP", "port": 53}, _tcp(53)]}
_API_SERVER = {"ports": [_tcp(443), _tcp(6443)]}
"""Its address is not known to a policy: it is no pod."""
