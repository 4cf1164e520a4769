"""The table of numbers is held to the code and to the chart."""

from __future__ import annotations

import inspect
import re

import pytest
import yaml

from sagamesh import Breaker, Retry
from sagamesh.cli.stack import up
from sagamesh.policy import DEFAULT_TIMEOUT
from sagamesh.settings import WorkerSettings
from tests.docs.test_reference import REFERENCE
from tests.support.charts import CHART

SECTION = REFERENCE.partition("## Start, stop, and the numbers between")[2]
ROWS = re.findall(r"^\| (?!what \|)([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", SECTION, re.MULTILINE)
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
DEFAULTS = VALUES["defaults"]
SCALING = DEFAULTS["scaling"]
SETTINGS = {f"SAGAMESH_{name.upper()}": field.default for name, field in WorkerSettings.model_fields.items()}

TRUE = {
    "SAGAMESH_START_TIMEOUT": [inspect.signature(up).parameters["patience"].default],
    "probes.startupSeconds": [VALUES["probes"]["startupSeconds"]],
    "preStopSeconds": [DEFAULTS["preStopSeconds"]],
    "timeout=": [DEFAULT_TIMEOUT.total_seconds()],
    "attempts=": [Retry().attempts],
    "failures=": [Breaker().failures],
    "recovery=": [Breaker().recovery.total_seconds()],
    "scaling.minReplicas": [SCALING["minReplicas"], SCALING["maxReplicas"]],
    "scaling.hpa": [SCALING["hpa"]["cpuPercent"], SCALING["hpa"]["memoryPercent"]],
    "scaling.scaleDownWindowSeconds": [SCALING["scaleDownWindowSeconds"]],
    **{name: [default] for name, default in SETTINGS.items()},
}


@pytest.mark.parametrize(("what", "shown", "by"), ROWS, ids=[row[0] for row in ROWS])
def test_the_number_is_the_one_that_counts(what: str, shown: str, by: str) -> None:
    [true] = [numbers for name, numbers in TRUE.items() if re.search(rf"[`(]{re.escape(name)}|\b{re.escape(name)}", by)]
    assert [float(number) for number in re.findall(r"\d+", shown)] == true


def test_every_row_was_read() -> None:
    assert len(ROWS) == SECTION.count("\n| ") - 1
