"""The managed Redis: one server with an append-only file on a volume of its own.

Owns its configuration and its pod. Does not own its password (credentials) nor its Service (services). Pure.

Memory: the server may use `MAXMEMORY` of the container's limit; the rest is for the buffers of connections and for the
pages that change while a fork rewrites the file. Publishing is refused at 85 % of that, before the server is full.
"""

import re
from decimal import Decimal

from chatcluster_operator import hashing, names, quantities
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import security
from chatcluster_operator.resources.context import Context
from chatcluster_operator.spec import ChatCluster, Managed

MAXMEMORY = Decimal("0.6")
VOLUME = "data"
_CONFIGURATION = "/etc/chatcluster"
_SECRETS = "/run/secrets/chatcluster/redis"
_GRACE = 60
"""Seconds for the server to write out what it has."""

_START = f"""\
# Valkey's image and Redis' call the same server by different names.
exec "$(command -v valkey-server || command -v redis-server)" {_CONFIGURATION}/redis.conf
"""
_ASK = f"""\
# Sends one command. The password is read here, so that no argument and no manifest shows it.
REDISCLI_AUTH="$(cat {_SECRETS}/password)"
export REDISCLI_AUTH
exec "$(command -v valkey-cli || command -v redis-cli)" --no-auth-warning "$@"
"""
_STARTED = f"""\
# A server that was cut off in the middle of a transaction drops it, but Redis 7.0 leaves its beginning in the file, and
# runs that at the next start. Writing the file anew takes it away.
for _ in $(seq 60); do
  [ "$(sh {_CONFIGURATION}/ask.sh ping)" = PONG ] && exec sh {_CONFIGURATION}/ask.sh bgrewriteaof
  sleep 0.5
done
true
"""


def configuration(cluster: ChatCluster, managed: Managed) -> Manifest:
    """The server's configuration and the three scripts of its pod."""
    limit = managed.resources.limits.get("memory")
    settings = {
        "port": names.PORTS["redis"],
        "dir": "/data",
        "protected-mode": "no",
        "appendonly": "yes",
        "appendfsync": managed.appendfsync,
        "save": '""',
        "maxmemory-policy": "noeviction",
        **({"maxmemory": int(quantities.number(limit) * MAXMEMORY)} if limit else {}),
        "include": f"{_SECRETS}/auth.conf",
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(cluster, names.REDIS),
        "data": {
            "redis.conf": "".join(f"{name} {value}\n" for name, value in settings.items()),
            "start.sh": _START,
            "ask.sh": _ASK,
            "started.sh": _STARTED,
        },
    }


def stateful_set(cluster: ChatCluster, managed: Managed, context: Context) -> Manifest:
    """The server. Its template of the volume is immutable: see plan for how the volume grows."""
    name = names.child(cluster, names.REDIS)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": names.metadata(cluster, names.REDIS),
        "spec": {
            "replicas": 1,
            # "OrderedReady" would wait for a pod that cannot start, and not replace it when the template is set right.
            # https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback
            "podManagementPolicy": "Parallel",
            "serviceName": name,
            "selector": {"matchLabels": names.selector(cluster, names.REDIS)},
            "template": _template(cluster, managed, context),
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},  # see claims
            "volumeClaimTemplates": [_claim(cluster, managed)],
        },
    }


def claim_name(cluster: ChatCluster) -> str:
    """The PersistentVolumeClaim that the StatefulSet makes of its template."""
    return f"{VOLUME}-{names.child(cluster, names.REDIS)}-0"


def _claim(cluster: ChatCluster, managed: Managed) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": VOLUME, "labels": names.selector(cluster, names.REDIS)},
        "spec": names.pruned(
            {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": managed.storage.size}},
                "storageClassName": managed.storage.storage_class_name,
            }
        ),
    }


def _template(cluster: ChatCluster, managed: Managed, context: Context) -> Manifest:
    annotations = {
        names.SECRETS_HASH: context.secrets.redis,
        names.CONFIGURATION_HASH: hashing.digest(_read_at_start(configuration(cluster, managed))),
    }
    return {
        "metadata": {"labels": names.selector(cluster, names.REDIS), "annotations": annotations},
        "spec": names.pruned(
            {
                "containers": [_container(cluster, managed, context)],
                "serviceAccountName": names.child(cluster, names.REDIS),
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "imagePullSecrets": cluster.spec.image_pull_secrets,
                "securityContext": security.pod(),
                "terminationGracePeriodSeconds": _GRACE,
                "volumes": _volumes(cluster),
            }
        ),
    }


def _read_at_start(manifest: Manifest) -> dict[str, str]:
    """Without comments: a better word in one must not restart anybody's Redis."""
    return {name: re.sub(r"(?m)^#.*\n", "", text) for name, text in manifest["data"].items()}


def _container(cluster: ChatCluster, managed: Managed, context: Context) -> Manifest:
    ping = {"exec": {"command": ["sh", "-c", f'[ "$(sh {_CONFIGURATION}/ask.sh ping)" = PONG ]']}}
    return names.pruned(
        {
            "name": names.REDIS,
            "image": _image(managed, context),
            "imagePullPolicy": cluster.spec.image_pull_policy,
            "command": ["sh", f"{_CONFIGURATION}/start.sh"],
            "ports": [{"name": "redis", "containerPort": names.PORTS["redis"], "protocol": "TCP"}],
            "resources": names.pruned(
                {"requests": managed.resources.requests, "limits": managed.resources.limits},
            ),
            "securityContext": security.container(),
            "volumeMounts": [
                {"name": VOLUME, "mountPath": "/data"},
                {"name": "configuration", "mountPath": _CONFIGURATION, "readOnly": True},
                {"name": "secrets", "mountPath": _SECRETS, "readOnly": True},
            ],
            # Long files take long to load; a server that loads them is alive.
            "startupProbe": {**_listens(), "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 300},
            "readinessProbe": {**ping, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 3},
            "livenessProbe": {**_listens(), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
            "lifecycle": {"postStart": {"exec": {"command": ["sh", f"{_CONFIGURATION}/started.sh"]}}},
        }
    )


def _image(managed: Managed, context: Context) -> str:
    """What the spec names; where that is the schema's default, the operator may have another."""
    is_default = managed.image == Managed().image
    return context.redis_image if context.redis_image and is_default else managed.image


def _listens() -> Manifest:
    return {"tcpSocket": {"port": "redis"}}


def _volumes(cluster: ChatCluster) -> list[Manifest]:
    name = names.child(cluster, names.REDIS)
    items = [{"key": key, "path": key} for key in ("password", "auth.conf")]
    return [
        {"name": "configuration", "configMap": {"name": name, "defaultMode": 0o444}},
        {"name": "secrets", "secret": {"secretName": name, "items": items, "defaultMode": 0o440}},
    ]
