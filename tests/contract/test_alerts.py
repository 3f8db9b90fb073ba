"""The alerts: each fires when it should and not before, and leads to a page that helps."""

import re
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import yaml

from support import alerts, catalogue, crd
from support.alerts import Case, Rule
from support.cluster.commands import ClusterError, run

ALERTS = alerts.alerts()
NAMES = sorted({rule["alert"] for rule in ALERTS})
SECTIONS = ["What it means", "How to confirm", "What to do"]


@pytest.fixture
def _promtool() -> None:
    alerts.require()


@pytest.mark.process
@pytest.mark.usefixtures("_promtool")
def test_promtool_takes_the_rules() -> None:
    """Every expression and every template is well-formed, and nothing stands there twice."""
    assert f"SUCCESS: {len(alerts.rules())} rules found" in alerts.promtool("check", "rules", alerts.RULES)


@pytest.mark.process
@pytest.mark.usefixtures("_promtool")
@pytest.mark.parametrize("case", alerts.cases(), ids=lambda case: case.name)
def test_an_alert_fires_when_it_should_and_not_before(case: Case, tmp_path: Path) -> None:
    """Once for each cluster and what its labels name; and not at what comes nearest to a reason."""
    path = tmp_path / "case.yaml"
    path.write_text(alerts.tests_of(case))

    alerts.promtool("test", "rules", path)


@pytest.mark.process
@pytest.mark.usefixtures("_promtool")
def test_an_alert_that_stays_away_is_noticed(tmp_path: Path) -> None:
    """The cases are held against the rules, not against themselves."""
    case = alerts.cases()[-1]
    path = tmp_path / "case.yaml"
    path.write_text(alerts.tests_of(case).replace(case.alert, "ChatNothing"))

    with pytest.raises(ClusterError, match="ChatNothing"):
        alerts.promtool("test", "rules", path)


def test_every_alert_has_its_cases() -> None:
    """Of each severity: when it fires, and at least one time when it does not."""
    assert Counter((case.alert, case.severity) for case in alerts.cases()) == Counter(
        (rule["alert"], rule["labels"]["severity"]) for rule in ALERTS
    )
    assert [case.name for case in alerts.cases() if not case.quiet] == []


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_tells_what_to_do(rule: Rule) -> None:
    """It says how bad it is, of which cluster, what that means, and where to read on."""
    annotations = rule["annotations"]

    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    assert annotations["summary"].endswith(".")
    if not rule["alert"].startswith("ChatOperator"):
        assert "{{ $labels.namespace }}/{{ $labels.chatcluster }}" in annotations["summary"]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    """By the alert's name."""
    assert sorted(path.stem for path in alerts.RUNBOOKS.glob("*.md") if path.stem != "README") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_it_means_how_to_confirm_it_and_what_to_do(name: str) -> None:
    """With something to paste into a terminal or into Prometheus; it asks for metrics that there are."""
    text = runbook(name)

    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert any(alerts.pasted(text))
    assert alerts.metrics_of(text) <= catalogue.names() | recorded() | {"up"}
    assert set(re.findall(r"\bChat[A-Z]\w+", text)) <= {*NAMES, "ChatCluster", "ChatClusters"}


def test_the_list_of_runbooks_has_every_alert() -> None:
    """With its severities, the worst first, and a link to its page."""
    lines = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([\w, ]+) \|", runbook("README"), re.MULTILINE)

    assert sorted(lines) == [(name, name, ", ".join(severities(name))) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_names_fields_that_there_are(name: str) -> None:
    """What it says to set stands in the schema of ChatCluster."""
    fields = {node.path.removeprefix(".") for node in crd.spec_nodes()}
    named = re.findall(r"`(spec\.[\w.<>]+)", runbook(name).replace("<component>", "connect"))

    assert set(named) <= fields


@pytest.mark.process
@pytest.mark.usefixtures("_promtool")
def test_what_a_runbook_has_to_paste_can_be_pasted(tmp_path: Path) -> None:
    """Prometheus takes every expression, and a shell every command."""
    pasted = [alerts.pasted(runbook(name)) for name in NAMES]

    alerts.check([expression for _, expressions in pasted for expression in expressions], tmp_path)
    run("sh", "-n", text="\n".join(command for shell, _ in pasted for command in shell))


@pytest.mark.parametrize("rule", alerts.rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_metrics_that_there_are(rule: Rule) -> None:
    """Each is one of the catalogue, or recorded by a rule; `up` is Prometheus' own."""
    assert alerts.metrics_of(rule["expr"]) <= catalogue.names() | recorded() | {"up"}


@pytest.mark.process
@pytest.mark.usefixtures("_promtool")
def test_the_configuration_in_the_documentation_is_one(tmp_path: Path) -> None:
    """Prometheus takes it, with the rules beside it; targets get the labels that these need."""
    text = (crd.ROOT / "docs/monitoring.md").read_text()
    [block] = re.findall(r"(?:^ {4}.*\n)+", text[text.index("    scrape_configs:") :], re.MULTILINE)[:1]
    configuration = yaml.safe_load(textwrap.dedent(block))
    [scraping] = configuration["scrape_configs"]
    assert scraping.pop("kubernetes_sd_configs") == [{"role": "pod"}]  # which Debian's Prometheus is built without
    (tmp_path / "alerts.yaml").write_text(alerts.RULES.read_text())
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(configuration))

    assert "is valid prometheus config file" in alerts.promtool("check", "config", path)
    assert {rule.get("target_label") for rule in scraping["relabel_configs"]} == {
        *(None, "namespace", "pod", "chatcluster", "component")
    }


def recorded() -> set[str]:
    """Return the names that rules record."""
    return {rule["record"] for rule in alerts.rules() if "record" in rule}


def runbook(name: str) -> str:
    """Return a page."""
    return (alerts.RUNBOOKS / f"{name}.md").read_text()


def severities(name: str) -> list[str]:
    """Return those of an alert, the worst first."""
    return sorted(rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name)
