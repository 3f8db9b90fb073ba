"""The Secrets that the pods of a ChatCluster read.

Owns that those which the operator draws exist, and what the pods' templates have to know of all of them: a digest.
Does not own their content (resources.credentials). A Secret is read by its name and never listed, so that the operator
needs no right to see others; and one that exists is never written.
"""

from collections.abc import Callable, Mapping

from chatcluster_operator import errors, kinds, kube, names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import context, credentials
from chatcluster_operator.spec import ChatCluster, External, SecretKey

Draw = Callable[[], str]
"""A new secret of at least 128 bits, of letters, digits, - and _."""


async def secrets(server: kube.Kube, cluster: ChatCluster, draw: Draw) -> context.Secrets:
    """The digests of what the pods read; draws what is not there yet.

    Raises `MissingSecret` for one that the spec names, `Foreign`, and what the API server's port raises.
    """
    own = await _drawn(server, cluster, credentials.cluster_secret(cluster, draw()))
    redis = await _of_redis(server, cluster, draw)
    synthetic: Mapping[str, str] = {}
    if cluster.spec.monitoring.synthetic_user.enabled:
        synthetic = await _drawn(server, cluster, credentials.synthetic_secret(cluster, draw()))
    return context.Secrets(*map(credentials.digest, (own, redis, synthetic)))


async def _of_redis(server: kube.Kube, cluster: ChatCluster, draw: Draw) -> Mapping[str, str]:
    external = cluster.spec.redis.external
    if external is not None:
        return await _named(server, cluster, external)
    return await _drawn(server, cluster, credentials.redis_secret(cluster, draw()))


async def _drawn(server: kube.Kube, cluster: ChatCluster, manifest: Manifest) -> Mapping[str, str]:
    """The data of a Secret of our own: the live one, or this one if there is none."""
    name = manifest["metadata"]["name"]
    live = await server.get(kinds.SECRET, cluster.namespace, name)
    if live is None:
        live = await server.create(manifest)
    if not names.owned_by(cluster, live):
        raise errors.Foreign(f"Secret {name} exists and does not belong to this ChatCluster: rename or delete it")
    data: Mapping[str, str] = live.get("data", {})
    return data


async def _named(server: kube.Kube, cluster: ChatCluster, external: External) -> dict[str, str]:
    references = {"urlSecretRef": external.url_secret_ref, "caSecretRef": external.ca_secret_ref}
    return {field: await _value(server, cluster, field, key) for field, key in references.items() if key is not None}


async def _value(server: kube.Kube, cluster: ChatCluster, field: str, key: SecretKey) -> str:
    where = f"spec.redis.external.{field} names Secret {key.name}"
    live = await server.get(kinds.SECRET, cluster.namespace, key.name)
    if live is None:
        raise errors.MissingSecret(f"{where}, which does not exist in namespace {cluster.namespace}")
    if not live.get("data", {}).get(key.key):
        raise errors.MissingSecret(f"{where}, which has nothing under the key {key.key!r}")
    return str(live["data"][key.key])
