"""The dashboards: what the chart brings is what their sources say, and every query is one that Prometheus takes."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
import yaml

from support import alerts, catalogue, grafana
from support.grafana import Dashboard, Panel

PANELS = [
    pytest.param(dashboard, panel, id=f"{name}: {panel.title}")
    for name, dashboard in grafana.dashboards().items()
    for panel in dashboard.panels
]
UNITS = {"short", "none", "s", "bytes", "percentunit", "cps", "ops", "reqps"}


def test_the_files_are_what_the_sources_say() -> None:
    """The chart brings them made, for Grafana alone reads them."""
    made = {f"{name}.json": grafana.text(name, dashboard) for name, dashboard in grafana.dashboards().items()}

    assert {path.name: path.read_text() for path in grafana.FOLDER.iterdir()} == made, "not as made: make dashboards"


def test_there_is_a_dashboard_for_each_part() -> None:
    """Named after what they show."""
    assert set(grafana.dashboards()) == {"overview", "gateways", "delivery", "redis", "operator"}


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panel_asks_a_question_and_tells_what_an_answer_means(dashboard: Dashboard, panel: Panel) -> None:
    """It has a unit, a description, and names for several series; limits rise."""
    assert panel.title.endswith("?")
    assert panel.tells.endswith(".")
    assert panel.unit in UNITS
    assert list(panel.limits) == sorted(panel.limits)
    assert len(panel.limits) <= 2
    assert panel.queries
    assert panel.kind != "timeseries" or all(query.legend for query in panel.queries)
    assert all("@" in query.ask for query in panel.queries)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panel_asks_for_metrics_that_there_are(dashboard: Dashboard, panel: Panel) -> None:
    """Each is one of the catalogue; `up` is Prometheus' own."""
    asked = set().union(*(alerts.metrics_of(query.ask) for query in panel.queries))

    assert asked <= catalogue.names() | {"up"}


@pytest.mark.parametrize("dashboard", grafana.dashboards().values(), ids=grafana.dashboards())
def test_a_dashboard_fits_on_the_grid(dashboard: Dashboard) -> None:
    """No panel is beside the page or on another, and no title stands there twice."""
    places = [panel["gridPos"] for panel in msgspec.json.decode(grafana.text("x", dashboard))["panels"]]
    cells = Counter(
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )

    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) < grafana.WIDTH
    assert max(Counter(panel.title for panel in dashboard.panels).values()) == 1


def test_every_alert_s_metric_is_on_a_dashboard() -> None:
    """Who is woken finds the curve."""
    asked = catalogue.uses()

    assert [name for name, (by, on) in asked.items() if by and not on and name != "up"] == []


def test_every_metric_of_our_own_is_asked_for() -> None:
    """What neither an alert nor a dashboard needs is measured for nobody."""
    assert {metric.name for metric in catalogue.metrics()} - catalogue.uses().keys() == set()


def test_a_panel_that_is_none_is_refused(tmp_path: Path) -> None:
    """A word that is not known is a mistake, not a comment."""
    source = yaml.safe_load((grafana.SOURCES / "redis.yaml").read_text())
    source["rows"][0]["panels"][0]["colour"] = "red"

    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.convert(source, Dashboard)


@pytest.mark.process
def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    """As rules, which are checked without a server."""
    alerts.require()
    alerts.check(
        [
            grafana.asked(dashboard, query)
            for dashboard in grafana.dashboards().values()
            for panel in dashboard.panels
            for query in panel.queries
        ],
        tmp_path,
    )
