"""The dashboards: generated, whole, and every panel shows something on a mesh that has worked."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.conftest import NAMESPACE, ROOT, Shop

DASHBOARDS = sorted((ROOT / "deploy" / "helm" / "sagamesh" / "dashboards").glob("*.json"))

# What Grafana fills in: a window of at least four scrapes, a namespace, and all agents.
VARIABLES = {"$__rate_interval": "5m", "$namespace": NAMESPACE, "$agent": ".*"}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def queries() -> list[Any]:
    return [
        pytest.param(panel["targets"][0]["expr"], id=f"{path.stem} {panel['title']}")
        for path in DASHBOARDS
        for panel in read(path)["panels"]
    ]


def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-m", "grafana", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_the_files_are_what_the_script_writes() -> None:
    done = generate("--check")

    assert done.returncode == 0, done.stderr


def test_wrong_use_is_told() -> None:
    done = generate("--verify")

    assert done.returncode == 2
    assert "scripts/dashboards --check" in done.stderr


def test_there_is_one_for_each_matter() -> None:
    matters = ("backlog", "breakers", "communication", "cpu", "health", "memory", "sagas")

    assert [path.stem for path in DASHBOARDS] == [f"sagamesh-{matter}" for matter in matters]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path: Path) -> None:
    board = read(path)
    panels = board["panels"]

    assert board["uid"] == path.stem, "its address, which others link to"
    assert board["description"]
    assert len({panel["id"] for panel in panels}) == len(panels) == len({panel["title"] for panel in panels})
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert 'namespace=~"$namespace"' in panel["targets"][0]["expr"], panel["title"]
    known = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(panels)))
    assert used <= known
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels), "one lies on another"
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@pytest.mark.stack
@pytest.mark.timeout(600)
@pytest.mark.parametrize("query", queries())
def test_every_panel_shows_something(shop: Shop, query: str) -> None:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query

    found = shop.prometheus.becomes(query)

    assert any(not math.isnan(sample.value) for sample in found), "nothing but what is no number"


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_there_is_something_to_choose_from(shop: Shop) -> None:
    asked = {
        variable["query"]
        for path in DASHBOARDS
        for variable in read(path)["templating"]["list"]
        if variable["type"] == "query"
    }
    assert len(asked) == 2
    for query in asked:
        found = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", query)
        assert found, query
        labels = {name for series in shop.prometheus.series(found[1]) for name in series}
        assert found[2] in labels
