"""All children that a ChatCluster should have.

Owns the list and its order, in which they are applied: what others need comes first. Does not own any child's content
(resources). Pure: the Secrets, which are drawn, are made elsewhere (credentials).
"""

from collections.abc import Iterator

from chatcluster_operator import names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import accounts, availability, network, programs, redis, services, synthetic
from chatcluster_operator.resources.context import Context
from chatcluster_operator.spec import COMPONENTS, ChatCluster


def children(cluster: ChatCluster, context: Context) -> list[Manifest]:
    """Every object but the Secrets, complete."""
    return [*_identities(cluster), *network.policies(cluster), *_redis(cluster, context), *_programs(cluster, context)]


def _identities(cluster: ChatCluster) -> Iterator[Manifest]:
    for component in COMPONENTS:
        yield accounts.service_account(cluster, component)
    yield from accounts.discovery(cluster)
    if cluster.spec.monitoring.synthetic_user.enabled:
        yield accounts.service_account(cluster, names.SYNTHETIC)
        yield from accounts.reporting(cluster)
        yield synthetic.report(cluster)


def _redis(cluster: ChatCluster, context: Context) -> Iterator[Manifest]:
    if managed := cluster.spec.redis.managed:
        yield accounts.service_account(cluster, names.REDIS)
        yield redis.configuration(cluster, managed)
        yield services.redis(cluster)
        yield redis.stateful_set(cluster, managed, context)


def _programs(cluster: ChatCluster, context: Context) -> Iterator[Manifest]:
    yield services.logic(cluster)
    yield services.api(cluster)
    yield services.connect(cluster)
    for component in COMPONENTS:
        yield programs.deployment(cluster, component, context)
    if cluster.spec.monitoring.synthetic_user.enabled:
        yield synthetic.deployment(cluster, context)
    for component in COMPONENTS:
        yield from filter(None, [availability.disruption_budget(cluster, component, context)])
        yield from filter(None, [availability.autoscaler(cluster, component)])
    yield from filter(None, [network.ingress(cluster)])
