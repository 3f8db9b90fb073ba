"""The chart's dashboards for Grafana, made from what they ask.

Owns how the questions in `dashboards/*.yaml` become Grafana's JSON, and where panels stand. `python -m support.grafana`
writes the files that the chart brings; `make dashboards` does that.
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

import itertools
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from support import crd

SOURCES = Path(__file__).parent / "dashboards"
FOLDER = crd.ROOT / "charts/chatcluster-operator/files/dashboards"
SCHEMA = 39
"""Of the JSON; Grafana 10.4, and later ones raise it by themselves."""
WIDTH = 24
"""Columns of Grafana's grid."""

_HEIGHTS = {"timeseries": 8, "stat": 4, "table": 8}
_COLORS = ("green", "orange", "red")
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, Any]


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Prometheus is asked."""

    ask: str
    """An expression; `@` stands for the labels of what is looked at."""
    legend: str = msgspec.field(name="as", default="")
    """How its series are called."""


class Panel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question, and the queries that answer it."""

    title: str
    tells: str
    """What a good answer looks like, and what a bad one means."""
    queries: list[Query]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    top: float | None = None
    """Of the axis, where it has one."""
    limits: tuple[float, ...] = ()
    """From where on it is a warning, and from where on it is bad."""
    rising: bool = True
    """Whether more is worse; otherwise the limits are those below which it is bad, and below which it is a warning."""


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Panels that belong together."""

    title: str
    panels: list[Panel]


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What whoever looks chooses."""

    name: str
    label: str
    query: str


class Dashboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One page."""

    title: str
    tells: str
    where: str
    """What `@` stands for."""
    variables: list[Variable]
    rows: list[Row]

    @property
    def panels(self) -> list[Panel]:
        """All of them, in their order."""
        return [panel for row in self.rows for panel in row.panels]

    def expression(self, query: Query) -> str:
        """What Prometheus is asked, with Grafana's variables in it."""
        return query.ask.replace("@", self.where)


@cache
def dashboards() -> dict[str, Dashboard]:
    """Return all of them, by the names of their files. Raises `msgspec.ValidationError` for what is not one."""
    return {
        path.stem: msgspec.convert(yaml.safe_load(path.read_text()), Dashboard)
        for path in sorted(SOURCES.glob("*.yaml"))
    }


def text(name: str, dashboard: Dashboard) -> str:
    """Return the file that Grafana reads."""
    return json.dumps(_page(name, dashboard), indent=1, ensure_ascii=False) + "\n"


def asked(dashboard: Dashboard, query: Query, over: str = "1m") -> str:
    """Return a query as Grafana would ask it of everything there is, with `over` for its own choices of time."""
    chosen = {f"${variable.name}": ".*" for variable in dashboard.variables} | {
        "$__rate_interval": over,
        "$__range": over,
    }
    expression = dashboard.expression(query)
    for name, value in chosen.items():
        expression = expression.replace(name, value)
    return expression


def _page(name: str, dashboard: Dashboard) -> Json:
    return {
        "uid": f"chatcluster-{name}",
        "title": dashboard.title,
        "description": dashboard.tells,
        "tags": ["chatcluster"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [_LINK],
        "templating": {"list": [_DATASOURCE, *map(_variable, dashboard.variables)]},
        "panels": list(_placed(dashboard)),
    }


def _placed(dashboard: Dashboard) -> Iterator[Json]:
    """The panels from the upper left on, line by line."""
    numbers, y = itertools.count(1), 0
    for row in dashboard.rows:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        yield {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": place,
        }
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y = 0, y + height
            height = _HEIGHTS[panel.kind]
            place = {"x": x, "y": y, "w": panel.width, "h": height}
            yield {"id": next(numbers), "gridPos": place, **_panel(dashboard, panel)}
            x += panel.width
        y += height


def _panel(dashboard: Dashboard, panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.tells,
        "datasource": _SOURCE,
        "targets": [_target(dashboard, panel, number) for number in range(len(panel.queries))],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
        **({"transformations": _COLUMNS} if panel.kind == "table" else {}),
    }


def _target(dashboard: Dashboard, panel: Panel, number: int) -> Json:
    query, is_series = panel.queries[number], panel.kind == "timeseries"
    return {
        "refId": chr(ord("A") + number),
        "datasource": _SOURCE,
        "expr": dashboard.expression(query),
        "legendFormat": query.legend,
        "range": is_series,
        "instant": not is_series,
        **({"format": "table"} if panel.kind == "table" else {}),
    }


def _field(panel: Panel) -> Json:
    found: Json = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": list(_steps(panel))}}
    if panel.top is not None:
        found["max"] = panel.top
    if panel.kind == "timeseries":
        shown = {"mode": "dashed" if panel.limits else "off"}
        found["color"] = {"mode": "palette-classic"}
        found["custom"] = {"fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "thresholdsStyle": shown}
    else:
        found["color"] = {"mode": "thresholds"}
    return found


def _steps(panel: Panel) -> Iterator[Json]:
    colors = _COLORS if panel.rising else tuple(reversed(_COLORS))
    for color, value in zip(colors, (None, *panel.limits), strict=False):
        yield {"color": color, "value": value}


def _variable(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "definition": variable.query,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "refresh": 2,
        "sort": 1,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "value",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    },
    "table": {"showHeader": True, "cellHeight": "sm"},
}
_COLUMNS = [{"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {"Value": "pods"}}}]
_DATASOURCE = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_LINK = {
    "type": "dashboards",
    "title": "ChatCluster",
    "tags": ["chatcluster"],
    "asDropdown": True,
    "keepTime": True,
    "includeVars": True,
}


def main() -> None:
    """Write the files, and leave no others."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, dashboard in dashboards().items():
        (FOLDER / f"{name}.json").write_text(text(name, dashboard))


if __name__ == "__main__":
    main()
