"""The Services: for clients (api and connect), for the programs (logic), and for Redis.

Owns ports and types. logic's is headless, because callers want all pods and choose themselves (gRPC keeps its
connections); the gateways have none for gRPC: task learns their addresses from their leases. Pure.
"""

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster, Exposed


def api(cluster: ChatCluster) -> Manifest:
    """For clients of REST."""
    return _service(cluster, "api", _for_clients(cluster.spec.exposure.api, {"http": "api"}))


def connect(cluster: ChatCluster) -> Manifest:
    """For websocket and TCP clients."""
    ports = {"websocket": "websocket"} | ({"tcp": "tcp"} if cluster.spec.connect.tcp.enabled else {})
    return _service(cluster, "connect", _for_clients(cluster.spec.exposure.connect, ports))


def logic(cluster: ChatCluster) -> Manifest:
    """For api and the gateways, which watch its EndpointSlices."""
    return _service(cluster, "logic", ({"clusterIP": "None", "ports": [_port("grpc", "logic")]}, {}))


def redis(cluster: ChatCluster) -> Manifest:
    """For logic and task. Not headless: its address outlives the pod's, so that nobody waits for DNS to forget one."""
    return _service(cluster, names.REDIS, ({"ports": [_port("redis", "redis")]}, {}))


def _for_clients(exposed: Exposed, ports: dict[str, str]) -> tuple[Manifest, dict[str, str]]:
    spec = {"type": exposed.service_type, "ports": [_port(name, key) for name, key in ports.items()]}
    return spec, exposed.annotations


def _service(cluster: ChatCluster, component: str, built: tuple[Manifest, dict[str, str]]) -> Manifest:
    spec, annotations = built
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(cluster, component, annotations=annotations),
        "spec": {"type": "ClusterIP", **spec, "selector": names.selector(cluster, component)},
    }


def _port(name: str, key: str) -> Manifest:
    return {"name": name, "port": names.PORTS[key], "targetPort": name, "protocol": "TCP"}
