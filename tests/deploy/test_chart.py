"""The chart renders valid objects for every set of values in its matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.charts import CI, Chart
from tests.support.kinds import problems

matrix = pytest.mark.parametrize("values", CI, ids=lambda path: path.stem.removesuffix("-values"))


@matrix
def test_it_passes_lint(chart: Chart, values: Path) -> None:
    done = chart.lint(values)
    assert done.returncode == 0, done.stdout + done.stderr


@matrix
def test_every_object_fits_its_schema(chart: Chart, values: Path) -> None:
    objects = chart.render(values)
    assert objects
    found = [f"{each['kind']} {each['metadata']['name']}: {problem}" for each in objects for problem in problems(each)]
    assert found == []


@matrix
def test_what_the_controller_makes_of_templates_fits_its_schema(chart: Chart, values: Path) -> None:
    for template in (each for each in chart.render(values) if each["kind"] == "WorkerResourceTemplate"):
        made = {**template["spec"]["template"], "metadata": {"name": "made"}}
        # What the controller fills in: {} and "" are its sign for that.
        assert made["spec"]["scaleTargetRef"] == {}
        made["spec"]["scaleTargetRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "made"}
        assert list(problems(made)) == []


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("Deployment", lambda found: found["spec"].update(replica=2)),
        ("ScaledObject", lambda found: found["spec"]["triggers"][0].update(meta={})),
        ("NetworkPolicy", lambda found: found["spec"].update(policyTypes="Ingress")),
    ],
)
def test_a_misspelled_field_is_found(chart: Chart, kind: str, change: Any) -> None:
    objects = chart.render(values={"defaults": {"scaling": {"mode": "keda"}}})
    found = next(each for each in objects if each["kind"] == kind)
    assert list(problems(found)) == []
    change(found)
    assert list(problems(found))


@matrix
def test_names_are_unique(chart: Chart, values: Path) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in chart.render(values)]
    assert sorted(names) == sorted(set(names))
