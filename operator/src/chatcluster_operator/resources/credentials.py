"""The Secrets that the operator draws itself.

Owns what stands in them. They are created once and never changed: whoever wants new ones deletes them, and the pods
that read them are replaced. Does not own drawing: the values come in. Pure.
"""

from collections.abc import Mapping

from chatcluster_operator import hashing, names
from chatcluster_operator.names import Manifest
from chatcluster_operator.spec import ChatCluster

CLUSTER = "cluster"


def cluster_secret(cluster: ChatCluster, value: str) -> Manifest:
    """By which the programs of one ChatCluster know one another. `value`: 16 to 1,024 visible ASCII characters."""
    return _secret(cluster, CLUSTER, {"secret": value})


def redis_secret(cluster: ChatCluster, password: str) -> Manifest:
    """The managed Redis' password, as each of its readers wants it. `password`: letters, digits, - and _ only."""
    host = f"{names.child(cluster, names.REDIS)}.{cluster.namespace}.svc"
    return _secret(
        cluster,
        names.REDIS,
        {
            "password": password,
            "auth.conf": f"requirepass {password}\n",
            "url": f"redis://:{password}@{host}:{names.PORTS['redis']}/0",
        },
    )


def synthetic_secret(cluster: ChatCluster, password: str) -> Manifest:
    """By which the synthetic user finds its account again."""
    return _secret(cluster, names.SYNTHETIC, {"password": password})


def digest(data: Mapping[str, str]) -> str:
    """Of a Secret's data as the API server has it; says nothing of the data to whoever reads it in an annotation."""
    return hashing.digest(dict(data))


def _secret(cluster: ChatCluster, component: str, data: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": names.metadata(cluster, component),
        "type": "Opaque",
        "stringData": data,
    }
