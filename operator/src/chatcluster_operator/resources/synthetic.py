"""The synthetic user: the Deployment of its one pod, and the ConfigMap by which operator and pod speak.

Owns both. Does not own what is asked and answered (delivering). Pure.

There is never more than one, so that no two report: an old pod ends before the new one starts. It runs on
nodes that task selects or tolerates, and is so small that nothing of it is left to the spec but how often it sends.
"""

from chatcluster_operator import hashing, names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import containers, environment, security
from chatcluster_operator.resources.context import Context
from chatcluster_operator.spec import ChatCluster

QUESTION = "question"
"""The operator's key in the ConfigMap."""
_ROLLOUT_SECONDS = 120
_GRACE = 30
"""Seconds to end the session."""
_RESOURCES = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}


def report(cluster: ChatCluster) -> Manifest:
    """The ConfigMap, with nothing asked yet; the answer in it is the pod's."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(cluster, names.SYNTHETIC),
        "data": {QUESTION: ""},
    }


def deployment(cluster: ChatCluster, context: Context) -> Manifest:
    """The Deployment."""
    template = _template(cluster, context)
    annotations = {names.TEMPLATE_HASH: hashing.digest(template)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(cluster, names.SYNTHETIC, annotations=annotations),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": names.selector(cluster, names.SYNTHETIC)},
            "template": template,
            "strategy": {"type": "Recreate"},
            "progressDeadlineSeconds": _ROLLOUT_SECONDS,
            "revisionHistoryLimit": 3,
        },
    }


def _template(cluster: ChatCluster, context: Context) -> Manifest:
    spec, secret = cluster.spec, names.child(cluster, names.SYNTHETIC)
    volumes = [containers.volume("synthetic", secret, "password", "password")]
    return {
        "metadata": {
            "labels": names.selector(cluster, names.SYNTHETIC),
            "annotations": {
                names.SECRETS_HASH: hashing.digest([context.secrets.synthetic]),
                **containers.scraped(cluster),
            },
        },
        "spec": names.pruned(
            {
                "containers": [_container(cluster, context, volumes)],
                "serviceAccountName": names.child(cluster, names.SYNTHETIC),
                "automountServiceAccountToken": True,
                "enableServiceLinks": False,
                "imagePullSecrets": spec.image_pull_secrets,
                "securityContext": security.pod(),
                "terminationGracePeriodSeconds": _GRACE,
                "volumes": volumes,
                "nodeSelector": spec.task.pod_template.node_selector,
                "tolerations": spec.task.pod_template.tolerations,
            }
        ),
    }


def _container(cluster: ChatCluster, context: Context, volumes: list[Manifest]) -> Manifest:
    return {
        "name": names.SYNTHETIC,
        "image": cluster.spec.image or context.image,
        "imagePullPolicy": cluster.spec.image_pull_policy,
        "command": containers.command(names.SYNTHETIC),
        "env": [*containers.variables(environment.of_synthetic(cluster)), environment.POD_ADDRESS],
        "ports": [containers.HEALTH],
        "resources": _RESOURCES,
        "securityContext": security.container(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": containers.mounts(volumes),
        **containers.probes(),
    }
