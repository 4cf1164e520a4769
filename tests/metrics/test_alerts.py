"""The alerts ask for figures that a mesh which has worked really exports, and see what is wrong with this one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.metrics.conftest import ROOT, Shop

RULES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "alerts" / "rules.yml").read_text(encoding="utf-8"))
EXPRESSIONS: dict[str, str] = {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]}
# The code of a task has to fail before the engine's library has this.
LATER = "temporal_workflow_task_execution_failed"
SELECTORS = sorted(
    {
        found
        for expr in EXPRESSIONS.values()
        for found in re.findall(r"\w+\{[^}]*\}", expr)
        if not found.startswith(LATER)
    }
)

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.mark.parametrize("selector", SELECTORS)
def test_every_figure_is_there(shop: Shop, selector: str) -> None:
    # The chart's monitors make this label of one of the pod's.
    assert shop.prometheus.becomes(selector.replace(',build_id!=""', ""))


def test_what_is_wrong_fires(shop: Shop) -> None:
    """Its gateway is down, and one order waits for a person."""
    (waiting,) = shop.prometheus.becomes(EXPRESSIONS["TaskNeedsOperator"])
    assert (waiting.labels, waiting.value) == ({"task_type": "Order"}, 1)
    assert {sample.labels["agent"] for sample in shop.prometheus.becomes(EXPRESSIONS["BreakerOpen"])} == {"payment"}


@pytest.mark.parametrize(
    "alert", ["AgentDown", "AgentWithoutPollers", "MeshReadingOld", "WorkersRestart", "WorkflowTasksFail"]
)
def test_what_is_well_is_quiet(shop: Shop, alert: str) -> None:
    assert shop.prometheus.query(EXPRESSIONS[alert]) == []
