"""The chart's alerts as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import chart
from tests.support.charts import Chart

__all__ = ["chart"]  # a fixture of every test here

FOLDER = Path(__file__).parent
VALUES = FOLDER / "values.yaml"


def groups(chart: Chart, *files: Path, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The rule file within the PrometheusRule that the chart makes of these values."""
    (found,) = [each for each in chart.render(*files, values=values) if each["kind"] == "PrometheusRule"]
    spec: dict[str, Any] = found["spec"]
    return spec


def write(rules: dict[str, Any], folder: Path) -> Path:
    """The rule file for Prometheus, by the name that the cases know."""
    file = folder / "rules.yml"
    file.write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
    return file


@pytest.fixture
def rules(chart: Chart) -> dict[str, Any]:
    """The rules of `values.yaml`: all of the chart's own, and each kind of a user's."""
    return groups(chart, VALUES)
