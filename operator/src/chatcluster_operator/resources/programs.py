"""The Deployments of the four programs.

Owns the pods: their container, its probes, what they mount, how they are spread, replaced and stopped. Does not own
their environment (environment). Pure.

How a pod goes: the endpoint leaves the Services and SIGTERM comes at the same time, in no order; so a pod first sleeps
for `LEAVE` seconds, in which the last who knew its address still reach it, and then drains.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from chatcluster_operator import hashing, names
from chatcluster_operator.names import Manifest
from chatcluster_operator.resources import containers, environment, security
from chatcluster_operator.resources.context import Context
from chatcluster_operator.spec import ChatCluster, Component, PodTemplate

LEAVE = 5
_DRAIN = {"api": 12, "logic": 10, "task": 5}
"""Seconds that each takes at most after SIGTERM, by its own settings; a gateway's are in the spec."""
_MARGIN = 10
"""Seconds between the end of the drain and SIGKILL."""
_PORTS: dict[Component, dict[str, str]] = {
    "api": {"http": "api"},
    "logic": {"grpc": "logic"},
    "connect": {"websocket": "websocket", "tcp": "tcp", "grpc": "connect"},
    "task": {},
}
_DISCOVERS = ("api", "connect")
_SPEAKS_TO_REDIS = ("logic", "task")
_ROLLOUT_SECONDS = 120
"""Without progress for so long, Kubernetes calls a rollout failed, and status passes it on."""


def deployment(cluster: ChatCluster, component: Component, context: Context) -> Manifest:
    """The Deployment of one program. Without `replicas` where the number is an autoscaler's, or was."""
    template = _template(cluster, component, context)
    replicas, uncounted = _replicas(cluster, component, context)
    hashes = {names.TEMPLATE_HASH: hashing.digest(template)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(cluster, component, annotations={**hashes, **uncounted}),
        "spec": {
            **replicas,
            "selector": {"matchLabels": names.selector(cluster, component)},
            "template": template,
            "strategy": _strategy(component),
            "progressDeadlineSeconds": _ROLLOUT_SECONDS,
            "revisionHistoryLimit": 3,
        },
    }


def _replicas(cluster: ChatCluster, component: Component, context: Context) -> tuple[dict[str, int], dict[str, str]]:
    """The spec's number, as a field where it counts, else as the annotation that remembers it (scaling)."""
    program = cluster.spec.program(component)
    if program.autoscaling:
        return {}, {names.UNCOUNTED_REPLICAS: str(program.replicas)}
    if left := context.kept.get(component):
        return {}, names.pruned({names.UNCOUNTED_REPLICAS: left.instead_of})
    return {"replicas": program.replicas}, {}


def _strategy(component: Component) -> Manifest:
    # Gateways are replaced all at once, so that a client that comes back finds a new one and moves only once.
    surge: str | int = "100%" if component == "connect" else 1
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": 0}}


def _template(cluster: ChatCluster, component: Component, context: Context) -> Manifest:
    extra = cluster.spec.program(component).pod_template
    return {
        "metadata": {
            "labels": {**extra.labels, **names.selector(cluster, component)},
            "annotations": {**extra.annotations, **_annotations(cluster, component, context)},
        },
        "spec": names.pruned(
            {
                "containers": [_container(cluster, component, context)],
                "serviceAccountName": names.child(cluster, component),
                "automountServiceAccountToken": component in _DISCOVERS,
                "enableServiceLinks": False,
                "imagePullSecrets": cluster.spec.image_pull_secrets,
                "securityContext": security.pod(),
                "terminationGracePeriodSeconds": _grace(cluster, component),
                "volumes": _volumes(cluster, component),
                "nodeSelector": extra.node_selector,
                "affinity": extra.affinity,
                "tolerations": extra.tolerations,
                "priorityClassName": extra.priority_class_name,
                "topologySpreadConstraints": _spread(cluster, component, extra),
            }
        ),
    }


def _annotations(cluster: ChatCluster, component: Component, context: Context) -> dict[str, str]:
    secrets = [context.secrets.cluster] + ([context.secrets.redis] if component in _SPEAKS_TO_REDIS else [])
    return {names.SECRETS_HASH: hashing.digest(secrets), **containers.scraped(cluster)}


def _container(cluster: ChatCluster, component: Component, context: Context) -> Manifest:
    program, spec = cluster.spec.program(component), cluster.spec
    fixed = containers.variables(environment.variables(cluster, component))
    added = [names.pruned({"name": variable.name, "value": variable.value}) for variable in program.pod_template.env]
    return names.pruned(
        {
            "name": component,
            "image": spec.image or context.image,
            "imagePullPolicy": spec.image_pull_policy,
            "command": containers.command(component),
            "env": _last_wins([*fixed, *environment.of_pod(component), *added]),
            "ports": _ports(component),
            "resources": names.pruned(
                {"requests": program.resources.requests, "limits": program.resources.limits},
            ),
            "securityContext": security.container(),
            # A program that cannot run says why on stderr: so its pod's status has it, and the ChatCluster's.
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": containers.mounts(_volumes(cluster, component)),
            **containers.probes({"grpc": {"port": names.PORTS["logic"]}} if component == "logic" else None),
            "lifecycle": {"preStop": {"sleep": {"seconds": LEAVE}}} if _PORTS[component] else {},
        }
    )


def _last_wins(variables: list[Manifest]) -> list[Manifest]:
    """Server-side apply takes each name once: what the user adds replaces what is rendered."""
    return list({variable["name"]: variable for variable in variables}.values())


def _ports(component: Component) -> list[Manifest]:
    own = [
        {"name": name, "containerPort": names.PORTS[key], "protocol": "TCP"} for name, key in _PORTS[component].items()
    ]
    return [*own, containers.HEALTH]


def _grace(cluster: ChatCluster, component: Component) -> int:
    drain = cluster.spec.connect.drain_seconds if component == "connect" else _DRAIN[component]
    return LEAVE + drain + _MARGIN


def _volumes(cluster: ChatCluster, component: Component) -> list[Manifest]:
    secrets = {"cluster": (names.child(cluster, "cluster"), "secret", "secret")}
    if component in _SPEAKS_TO_REDIS:
        external = cluster.spec.redis.external
        if external is None:
            secrets["redis"] = (names.child(cluster, names.REDIS), "url", "url")
        else:
            secrets["redis"] = (external.url_secret_ref.name, external.url_secret_ref.key, "url")
            if ca := external.ca_secret_ref:
                secrets["redis-ca"] = (ca.name, ca.key, "ca.crt")
    return [containers.volume(name, *secret) for name, secret in secrets.items()]


def _spread(cluster: ChatCluster, component: Component, extra: PodTemplate) -> list[Manifest]:
    """Over nodes where that is possible; a user's own constraints stand in its place."""
    default = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}]
    selector = {"matchLabels": names.selector(cluster, component)}
    # Each rollout is spread by itself: the pods that go do not count.
    own = {"labelSelector": selector, "matchLabelKeys": ["pod-template-hash"]}
    return [own | constraint for constraint in extra.topology_spread_constraints or default]
