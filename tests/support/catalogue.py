"""The catalogue of metrics, docs/metrics.md, made from the code that declares them.

Owns what is said of labels and of what the process exports by itself, and the form of the page. Does not own metrics
(chatcluster.core.telemetry, chatcluster_operator.telemetry), alerts or dashboards. `python -m support.catalogue` writes
the page; `make metrics` does that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from prometheus_client.metrics import MetricWrapperBase

from chatcluster.core import telemetry
from chatcluster_operator import telemetry as operator_telemetry
from support import alerts, crd, grafana

PATH = crd.ROOT / "docs/metrics.md"
OPERATOR = ("operator",)
UNITS = {"seconds": "seconds", "bytes": "bytes", "ratio": "0 to 1", "up": "0 or 1", "ok": "0 or 1", "enabled": "0 or 1"}
"""By the last word of a name without `_total`; others count things."""

LABELS: Mapping[str, str] = {
    "code": "a gRPC status, an HTTP status of the API server, or a disconnect code (docs/disconnects.md)",
    "component": "api, logic, connect, task, synthetic",
    "dependency": "redis, logic, lease, directory; of the synthetic user also report",
    "kind": "a kind of Kubernetes object that the operator watches or makes",
    "method": "an HTTP method, or a method of proto/",
    "node": "a Redis master; as many as there are",
    "operation": "a script in Redis, `entries` (waiting for them), `info`",
    "outcome": "one of those that the metric names",
    "part": "api, logic, redis, task, gateway",
    "protocol": "http, v1 or gochat, over websocket or TCP",
    "reason": "one of those that the code names, never what a client sent",
    "route": "a path of REST, with `{room}` and not the room",
    "service": "a Kubernetes Service of the ChatCluster: logic's; of the synthetic user the gateways'",
    "shard": "a number below spec.shards, 16 unless set otherwise",
    "side": "client, server",
    "status": "an HTTP status of api; 499: the client had gone",
    "step": "gateways, entries, holders, set_aside, copy, advance",
    "verb": "get, list, watch, create, patch, delete",
    "version": "the release; one, two during an upgrade",
    "why": "missing, changed, drift, unwanted, growth, autoscaler",
}
"""What each label's values are. Each has a bound that no client can move."""

PROCESS: Mapping[str, tuple[str, str]] = {
    "process_cpu_seconds_total": ("counter", "Processor time that was used. A program can use one core."),
    "process_resident_memory_bytes": ("gauge", "Memory in use."),
    "process_virtual_memory_bytes": ("gauge", "Addresses in use; says little."),
    "process_start_time_seconds": ("gauge", "When it was started, since 1970."),
    "process_open_fds": ("gauge", "Open files; each connection is one."),
    "process_max_fds": ("gauge", "Files that may be open."),
    "python_gc_objects_collected_total": ("counter", "Objects that Python's collector freed, by generation."),
    "python_gc_objects_uncollectable_total": ("counter", "Objects that it could not free; should be none."),
    "python_gc_collections_total": ("counter", "How often it ran, by generation."),
}
"""What prometheus_client exports of each process, on Linux."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as users meet it."""

    name: str
    type: str
    labels: tuple[str, ...]
    tells: str
    programs: tuple[str, ...]

    @property
    def unit(self) -> str:
        """What it is measured in."""
        return UNITS.get(self.name.removesuffix("_total").rpartition("_")[2], "")


@cache
def metrics() -> tuple[Metric, ...]:
    """Return all metrics of our own, in the order in which they are declared."""
    return (*_declared(vars(telemetry)), *_declared(vars(operator_telemetry)))


def names() -> set[str]:
    """Return all names, those of the process included."""
    return {metric.name for metric in metrics()} | PROCESS.keys()


def _declared(module: Mapping[str, object]) -> Iterator[Metric]:
    for metric in module.values():
        if isinstance(metric, MetricWrapperBase):
            described = next(iter(metric.describe()))
            name = described.name + ("_total" if described.type == "counter" else "")
            programs = tuple(p for p, page in telemetry.PAGES.items() if metric in page._collector_to_names)
            yield Metric(name, described.type, metric._labelnames, described.documentation, programs or OPERATOR)


@cache
def uses() -> Mapping[str, tuple[list[str], list[str]]]:
    """Return which alerts and which dashboards ask for a metric, by its name; those that a rule records ask as well."""
    recorded = {rule["record"]: alerts.metrics_of(rule["expr"]) for rule in alerts.rules() if "record" in rule}
    found: dict[str, tuple[set[str], set[str]]] = {}

    def used(expression: str, where: int, name: str) -> None:
        for metric in alerts.metrics_of(expression):
            for each in recorded.get(metric, {metric}):
                found.setdefault(each, (set(), set()))[where].add(name)

    for rule in alerts.alerts():
        used(rule["expr"], 0, rule["alert"])
    for name, dashboard in grafana.dashboards().items():
        for panel in dashboard.panels:
            for query in panel.queries:
                used(query.ask, 1, name)
    return {metric: (sorted(by), sorted(on)) for metric, (by, on) in found.items()}


def page() -> str:
    """Return docs/metrics.md."""
    return "\n".join([_HEAD, *_groups(), _PROCESSES, *_table(_of_processes()), "", _LABELS, *_labels(), ""])


def _groups() -> Iterator[str]:
    groups: dict[tuple[str, ...], list[Metric]] = {}
    for metric in metrics():
        groups.setdefault(metric.programs, []).append(metric)
    for programs, found in groups.items():
        yield f"## {_title(programs)}"
        yield from _table(found)
        yield ""


def _title(programs: tuple[str, ...]) -> str:
    if programs == OPERATOR:
        return "The operator"
    return "All programs" if len(programs) == len(telemetry.PAGES) else ", ".join(programs)


def _table(found: list[Metric]) -> Iterator[str]:
    yield "| metric | type | unit | labels | tells | asked for by |"
    yield "|---|---|---|---|---|---|"
    for metric in found:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.type} | {metric.unit} | {labels} | {metric.tells} | {_asked(metric.name)} |"


def _asked(name: str) -> str:
    by, on = uses().get(name, ([], []))
    links = [f"[{alert}](runbooks/{alert}.md)" for alert in by]
    return "; ".join(filter(None, (", ".join(links), f"dashboards: {', '.join(on)}" if on else "")))


def _of_processes() -> list[Metric]:
    return [
        Metric(name, kind, ("generation",) if name.startswith("python_gc") else (), tells, ())
        for name, (kind, tells) in PROCESS.items()
    ]


def _labels() -> Iterator[str]:
    yield "| label | values |"
    yield "|---|---|"
    yield from (f"| `{label}` | {values} |" for label, values in sorted(LABELS.items()))


_HEAD = """# Metrics

Made from the code by `make metrics`; not to be edited.

Every program and the operator serve theirs at `/metrics` of port 9070, in Prometheus' text format. Names begin with
`chat_`, the operator's with `chat_operator_`. Times are in seconds, sizes in bytes. A histogram `x` is the series
`x_bucket`, `x_sum` and `x_count`. docs/monitoring.md says how Prometheus finds them, and how alerts and dashboards are
switched on.
"""
_PROCESSES = "## Every process, the operator's too"
_LABELS = """## Labels
No label holds a user, a room, an address, or anything else of which clients could make more and more. What Prometheus
adds by itself says where a series comes from: `namespace`, `chatcluster`, `component` and `pod` (docs/monitoring.md).
"""


def main() -> None:
    """Write the page."""
    PATH.write_text(page())


if __name__ == "__main__":
    main()
