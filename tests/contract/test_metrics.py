"""The metrics as a whole: well named, described, bounded, and in the catalogue."""

import re

import pytest

from chatcluster.core import telemetry
from support import alerts, catalogue
from support.catalogue import Metric

TYPES = ("counter", "gauge", "histogram", "summary", "timer", "metric")
FORBIDDEN = {"user", "room", "address", "session", "message_id", "name", "namespace", "pod", "chatcluster", "instance"}
"""What has no bound, and what Prometheus says of a target by itself."""
OTHER_UNITS = ("milliseconds", "ms", "minutes", "kilobytes", "kb", "mb", "percent", "sec")


def test_the_catalogue_is_up_to_date() -> None:
    """docs/metrics.md says what the code declares, and which alerts and dashboards ask for it."""
    assert catalogue.PATH.read_text() == catalogue.page(), "docs/metrics.md is not what the code says: make metrics"


@pytest.mark.parametrize("metric", catalogue.metrics(), ids=lambda metric: metric.name)
def test_a_metric_is_named_by_the_rules(metric: Metric) -> None:
    """In base units, counters as totals, without its type; https://prometheus.io/docs/practices/naming/ ."""
    words = metric.name.split("_")

    assert re.fullmatch(r"chat(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert not set(words) & {*TYPES, *OTHER_UNITS}
    assert metric.type != "histogram" or metric.unit == "seconds"


@pytest.mark.parametrize("metric", catalogue.metrics(), ids=lambda metric: metric.name)
def test_a_label_has_a_bound(metric: Metric) -> None:
    """The catalogue says which values it has; none is one of which clients could make more."""
    assert set(metric.labels) <= catalogue.LABELS.keys()
    assert not set(metric.labels) & FORBIDDEN


def test_no_label_is_described_that_is_not_there() -> None:
    """The table of labels is no longer than it must be."""
    assert {label for metric in catalogue.metrics() for label in metric.labels} == catalogue.LABELS.keys()


def test_no_two_metrics_have_a_name() -> None:
    """Of programs and operator together."""
    names = [metric.name for metric in catalogue.metrics()]

    assert len(names) == len(set(names))


@pytest.mark.process
@pytest.mark.parametrize("program", telemetry.PAGES)
def test_promtool_finds_nothing_to_complain_of(program: str) -> None:
    """`promtool check metrics` takes what a program exports."""
    alerts.require()

    assert alerts.promtool("check", "metrics", text=telemetry.page(program).decode()) == ""
