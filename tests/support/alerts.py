"""The rules for Prometheus as the chart brings them, and what they are made of.

Owns how rules, expressions and the cases of tests/contract/alerts.yaml are read, and how promtool is asked. Does not
own the rules nor the cases.
"""

import re
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from support import crd, tiers
from support.cluster import commands

RULES = crd.ROOT / "charts/chatcluster-operator/files/alerts.yaml"
RUNBOOKS = crd.ROOT / "docs/runbooks"
CASES = crd.ROOT / "tests/contract/alerts.yaml"
PROMTOOL = "promtool"

_METRIC = re.compile(r"\b(?:(?:chat_|process_|python_|chatcluster:)[a-z0-9_:]*[a-z0-9]|up)\b")
_SELECTOR = re.compile(rf"({_METRIC.pattern})((?:{{[^}}]*}})?)")
_SHELL = ("kubectl ", "curl ", "chatcluster ", "helm ")
_PARTS = ("_bucket", "_sum", "_count")
_STEP = "30s"
_EVERYWHERE = {"namespace": "chat", "chatcluster": "demo"}

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """When one alert of one severity fires, and when not."""

    alert: str
    severity: str
    at: str
    """The time at which it is looked for, as in 5m."""
    fires: Mapping[str, str]
    """Series and their values, one each half minute."""
    quiet: Mapping[str, Mapping[str, str]]
    """By what is no reason."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the alert, besides where it is."""

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.alert}-{self.severity}"


def rules() -> list[Rule]:
    """Return all rules, in their order."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[Rule]:
    """Return those that alert."""
    return [rule for rule in rules() if "alert" in rule]


@cache
def cases() -> list[Case]:
    """Return the cases of all alerts. Everything is text: to YAML, ten zeros in promtool's notation are hexadecimal."""
    return [Case(**case) for case in yaml.load(CASES.read_text(), yaml.BaseLoader)]  # noqa: S506 - makes texts only


def metrics_of(expression: str) -> set[str]:
    """Return the metrics that an expression is made of: a histogram by its own name."""
    return {_whole(name) for name in _METRIC.findall(re.sub(r'"[^"]*"', "", expression))}


def selectors_of(expression: str) -> set[str]:
    """Return what an expression selects: each metric with the labels that it is asked for by."""
    return {f"{name}{labels}" for name, labels in _SELECTOR.findall(expression)}


def _whole(name: str) -> str:
    return next((name.removesuffix(part) for part in _PARTS if name.endswith(part)), name)


def pasted(text: str) -> tuple[list[str], list[str]]:
    """Return what a page has to paste into a terminal, and what into Prometheus: its indented blocks."""
    blocks = [textwrap.dedent(block) for block in re.findall(r"(?:^ {4,}\S.*\n?)+", text, re.MULTILINE)]
    shell = [block for block in blocks if block.startswith(_SHELL)]
    return shell, [block for block in blocks if block not in shell]


def check(expressions: Iterable[str], folder: Path) -> None:
    """Have promtool read expressions; raises `ClusterError` with what it does not take."""
    rules = [{"record": "asked", "expr": asked, "labels": {"number": str(n)}} for n, asked in enumerate(expressions)]
    path = folder / "expressions.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    promtool("check", "rules", path)


def require() -> None:
    """Skip the running test, loudly, where promtool is not there."""
    if shutil.which(PROMTOOL) is None:
        tiers.missing(f"no {PROMTOOL}", "make test-deps")


def promtool(*arguments: str | Path, text: str | None = None) -> str:
    """Run promtool, and return what it says; raises `ClusterError` with that when it complains."""
    return commands.run(PROMTOOL, *arguments, text=text)


def tests_of(case: Case) -> str:
    """Return a case as promtool reads it."""
    found = [(case.name, case.fires, [{"labels": _firing(case), "value": 1}])]
    found += [(f"{case.name}: {why}", series, []) for why, series in case.quiet.items()]
    return yaml.safe_dump(
        {
            "rule_files": [str(RULES)],
            "evaluation_interval": _STEP,
            "tests": [
                {
                    "name": name,
                    "interval": _STEP,
                    "input_series": list(_series(series)),
                    "promql_expr_test": [{"expr": _query(case), "eval_time": case.at, "exp_samples": expected}],
                }
                for name, series, expected in found
            ],
        }
    )


def _query(case: Case) -> str:
    return f'ALERTS{{alertname="{case.alert}", severity="{case.severity}", alertstate="firing"}}'


def _firing(case: Case) -> str:
    where = {} if case.alert.startswith("ChatOperator") else _EVERYWHERE
    labels = {"alertname": case.alert, "alertstate": "firing", "severity": case.severity, **where, **case.labels}
    return "ALERTS{%s}" % ", ".join(f'{name}="{value}"' for name, value in labels.items())  # noqa: UP031 - braces


def _series(series: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    for selector, values in series.items():
        name, _, labels = selector.partition("{")
        where = "".join(f', {label}="{value}"' for label, value in _EVERYWHERE.items() if f"{label}=" not in labels)
        yield {"series": f"{name}{{{labels.removesuffix('}')}{where}}}", "values": str(values)}
