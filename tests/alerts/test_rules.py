"""Every alert fires after its time and not before, once for all pods, and ends: by Prometheus' own test runner."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_workers import zones
from sagamesh.deploy import as_values, pool_facts
from sagamesh.metrics.mesh import active_agents
from tests.alerts.conftest import FOLDER, VALUES, groups, write
from tests.support.charts import CHART, CI, ROOT, Chart, Refused
from tests.support.prometheus import promtool

CASES = sorted((FOLDER / "cases").glob("*.yaml"))
RUNBOOK = ROOT / "docs" / "runbook.md"
PLAIN = ROOT / "deploy" / "alerts" / "rules.yml"
SEVERITIES = {"info", "warning", "error", "critical"}


def names(rules: dict[str, Any]) -> list[str]:
    return [rule["alert"] for group in rules["groups"] for rule in group["rules"]]


def anchors(page: Path) -> set[str]:
    """What its headings are linked as, by the rule of those who show it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_alerts_fire_as_they_should(rules: dict[str, Any], case: Path, tmp_path: Path) -> None:
    write(rules, tmp_path)
    done = promtool("test", "rules", shutil.copy(case, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_says_something_else_fails_its_case(chart: Chart, tmp_path: Path) -> None:
    write(groups(chart, VALUES, values={"monitoring": {"rules": {"cpuPercent": 99}}}), tmp_path)
    done = promtool("test", "rules", shutil.copy(FOLDER / "cases" / "load.yaml", tmp_path))
    assert done.returncode == 1
    assert "alertname: HighCpuUsage, time: 7m" in done.stdout + done.stderr


def test_every_alert_is_seen_quiet_then_firing_once_for_many_pods_then_over(rules: dict[str, Any]) -> None:
    courses: dict[str, list[str]] = defaultdict(list)
    many: set[str] = set()
    for case in CASES:
        for test in yaml.safe_load(case.read_text(encoding="utf-8"))["tests"]:
            of_pods = len(test["input_series"]) > 1 and "pod=" in test["input_series"][1]["series"]
            for look in test["alert_rule_test"]:
                firing = look["exp_alerts"]
                assert len(firing) <= 1, f"{look['alertname']}: one alert, however many pods there are"
                courses[look["alertname"]].append("fires" if firing else "quiet")
                many |= {look["alertname"]} if of_pods else set()
    missing = {name for name in names(rules) if not re.search("quiet fires.* quiet", " ".join(courses[name]))}
    assert missing == set(), "no case in tests/alerts/cases"
    assert set(names(rules)) - many == set()


@pytest.mark.parametrize(
    ("stopped", "apart"),
    [
        ([], {}),
        (["inventory.eu", "payment"], {"payment": {"payment"}}),
        (["inventory", "inventory.eu", "inventory.us"], {"inventory": {"inventory", "inventory.eu", "inventory.us"}}),
    ],
)
def test_every_capability_that_is_counted_is_looked_at_by_one_rule(
    chart: Chart, stopped: list[str], apart: dict[str, set[str]]
) -> None:
    idle = {"scaling": {"mode": "keda", "keda": {"stopWhenIdle": True}}}
    (group,) = groups(
        chart,
        values={
            **as_values(pool_facts(zones.app)),
            "pools": dict.fromkeys(stopped, idle),
            "monitoring": {"rules": {"enabled": True}},
        },
    )["groups"]
    looking: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, set[str]] = {}
    for rule in (rule for rule in group["rules"] if rule["alert"] == "AgentWithoutPollers"):
        agent, expr = rule["labels"]["agent"], rule["expr"].replace("\\\\", "\\")
        (operator, types), *_ = [*re.findall(r'capability(=~|!~)"([^"]+)"', expr), ("=~", ".*")]
        for type in active_agents(zones.app.mesh, ()):
            if bool(re.fullmatch(types, type)) is (operator == "=~"):
                looking[type].append(agent)
        for queues in re.findall(r'queue=~"([^"]+)"', expr):
            named = {each.queue for each in zones.app.mesh.agents if re.fullmatch(queues, each.queue)}
            waiting[agent] = waiting.get(agent, set()) | named
    assert waiting == apart
    assert looking == {
        type: [agent if agent in apart else "{{ $labels.agent }}"]
        for type in active_agents(zones.app.mesh, ())
        for agent in [type.partition(".")[0]]
    }


@pytest.mark.parametrize("values", [None, *CI, VALUES], ids=lambda path: path.stem if path else "default")
def test_prometheus_takes_the_rules(chart: Chart, values: Path | None, tmp_path: Path) -> None:
    files = [] if values is None else [values]
    rules = groups(chart, *files, values={"monitoring": {"rules": {"enabled": True}}})
    done = promtool("check", "rules", write(rules, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_how_bad_it_is_and_what_to_do(chart: Chart) -> None:
    (group,) = groups(chart, values={"monitoring": {"rules": {"enabled": True}}})["groups"]
    known = anchors(RUNBOOK)
    severities = set()
    for rule in group["rules"]:
        severities.add(rule["labels"]["severity"])
        assert rule["labels"]["namespace"] == "shop"
        address, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert address.endswith("/docs/runbook.md")
        assert anchor in known, f"{rule['alert']}: no heading in docs/runbook.md for #{anchor}"
        assert "$value" in rule["annotations"]["description"], rule["alert"]
        assert rule["annotations"]["summary"]
    assert severities == SEVERITIES


def test_one_alert_for_all_pods_needs_no_label_of_a_pod_in_the_result(rules: dict[str, Any]) -> None:
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    assert [expr for expr in expressions if re.search(r"by \([^)]*\b(pod|instance|container|endpoint)\b", expr)] == []


def test_any_alert_of_the_chart_can_be_left_out_and_replaced(chart: Chart) -> None:
    builtin = names(groups(chart, values={"monitoring": {"rules": {"enabled": True}}}))
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    disabled = schema["properties"]["monitoring"]["properties"]["rules"]["properties"]["disabled"]
    assert set(disabled["items"]["enum"]) == set(builtin)
    own = {"name": "AgentDown", "expr": 'up{pool="x"}', "operator": "==", "value": 0}
    left = groups(
        chart,
        values={"monitoring": {"rules": {"enabled": True, "disabled": ["AgentDown"], "thresholds": [own]}}},
    )
    assert names(left) == [*[name for name in builtin if name != "AgentDown"], "AgentDown"]


def test_the_page_lists_every_alert_with_its_time_and_severity(chart: Chart) -> None:
    (group,) = groups(chart, values={"monitoring": {"rules": {"enabled": True}}})["groups"]
    page = (ROOT / "docs" / "howto" / "alerts.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, flags=re.MULTILINE))
    assert {rule["alert"]: rule["labels"]["severity"] for rule in group["rules"]} == listed


THRESHOLD = {"name": "Mine", "metric": "up", "operator": ">", "value": 1}
CHANGE = {"name": "Mine", "metric": "up", "percent": 50, "within": "10m"}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            {"thresholds": [THRESHOLD, {**THRESHOLD, "name": "B", "operator": "=>"}]},
            ["thresholds/1/operator", "'>='"],
        ),
        ({"thresholds": [{**THRESHOLD, "severity": "fatal"}]}, ["thresholds/0/severity", "'critical'"]),
        ({"thresholds": [{**THRESHOLD, "name": "not a name"}]}, ["thresholds/0/name", "not a name"]),
        ({"thresholds": [{**THRESHOLD, "value": "1"}]}, ["thresholds/0/value", "number"]),
        ({"thresholds": [{**THRESHOLD, "for": "5 minutes"}]}, ["thresholds/0/for", "5 minutes"]),
        ({"thresholds": [{**THRESHOLD, "expr": "up"}]}, ["thresholds/0", "oneOf"]),
        ({"thresholds": [{**THRESHOLD, "metric": "up{"}]}, ["thresholds/0/metric", "up{"]),
        ({"thresholds": [{**THRESHOLD, "labels": {"severity": "info"}}]}, ["thresholds/0/labels", "not"]),
        ({"thresholds": [{**THRESHOLD, "match": {"a-b": "c"}}]}, ["thresholds/0/match", "a-b"]),
        ({"changes": [{**CHANGE, "percent": 0}]}, ["changes/0/percent"]),
        ({"changes": [{**CHANGE, "amount": 3}]}, ["changes/0", "oneOf"]),
        ({"changes": [{"name": "Mine", "metric": "up", "percent": 1}]}, ["changes/0", "within"]),
        ({"disabled": ["AgentsDown"]}, ["disabled/0", "'AgentDown'"]),
        ({"thresholds": [THRESHOLD, THRESHOLD]}, ["rules.thresholds", "an alert Mine already"]),
        ({"thresholds": [THRESHOLD], "changes": [CHANGE]}, ["rules.changes", "an alert Mine already"]),
        ({"changes": [{**CHANGE, "name": "Backlog"}]}, ["rules.changes", "Backlog already", "rules.disabled"]),
    ],
)
def test_a_wrong_rule_is_refused_by_its_path(chart: Chart, rules: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        chart.render(values={"monitoring": {"rules": {"enabled": True, **rules}}})
    assert [word for word in said if word not in str(refused.value)] == [], str(refused.value)


def test_values_that_promql_would_read_otherwise_stay_what_they_are(chart: Chart, tmp_path: Path) -> None:
    own = {**THRESHOLD, "value": 1_000_000, "match": {"pool": 'quoted "x" \\ {{ .x }}'}}
    rules = groups(chart, values={"monitoring": {"rules": {"enabled": True, "thresholds": [own]}}})
    assert names(rules)[-1] == "Mine"
    assert rules["groups"][0]["rules"][-1]["expr"] == (
        r'max by () (up{namespace="shop",pool="quoted \"x\" \\ {{ .x }}"}) > 1e+06'
    )
    assert promtool("check", "rules", write(rules, tmp_path)).returncode == 0


@pytest.mark.usefixtures("chart")  # the script needs a Helm, too
def test_the_rule_file_is_what_the_chart_renders() -> None:
    done = subprocess.run(
        [str(ROOT / "scripts" / "manifests"), "--print", "alerts"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PLAIN.read_text(encoding="utf-8"), "run scripts/manifests"


def test_without_kubernetes_no_rule_asks_for_a_namespace() -> None:
    for group in yaml.safe_load(PLAIN.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            assert "namespace" not in rule["labels"]
            assert re.findall(r"namespace([^,}]*)", rule["expr"]).count('=~".*"') == rule["expr"].count("namespace")
