"""Which names calls get in which run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from temporalio import workflow

from sagamesh.naming import capability_of, generation, next_generation, step_name


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the engine tells of the running workflow: at first that it is the first of its id."""
    info = SimpleNamespace(continued_run_id=None, cron_schedule=None, attempt=1, headers={})
    monkeypatch.setattr(workflow, "info", lambda: info)
    return info


def test_runs_that_continue_as_new_are_counted(run: SimpleNamespace) -> None:
    found = [generation()]
    for _ in range(3):
        run.headers, run.continued_run_id = next_generation(), "the one before"
        found.append(generation())
    assert found == ["1", "2", "3", "4"]


@pytest.mark.parametrize("begun_by", [{"cron_schedule": "@hourly"}, {"attempt": 2}], ids=["cron", "retry"])
def test_runs_that_the_engine_starts_by_itself_are_told_apart(run: SimpleNamespace, begun_by: dict[str, Any]) -> None:
    """It gives each of them the headers of the one before."""
    run.headers = next_generation()
    vars(run).update(begun_by)
    found = {"2"}
    for before in ("a", "b", "c"):
        run.continued_run_id = before
        found.add(generation())
    assert len(found) == 4
    run.continued_run_id = "c"  # the last of them is reset
    assert generation() in found


def test_the_first_run_of_a_cron_is_the_first(run: SimpleNamespace) -> None:
    run.cron_schedule = "@hourly"
    assert generation() == "1"


def test_steps_are_counted_in_each_run(run: SimpleNamespace) -> None:
    def three() -> list[str]:
        names: list[str] = []
        for capability in ("works.first", "works.second", "works.first"):
            names.append(step_name(capability, names))
        return names

    first = three()
    run.headers = next_generation()
    second = three()
    assert first == ["works.first", "works.second", "works.first#2"]
    assert second == ["works.first@2", "works.second@2", "works.first@2#2"]
    assert {capability_of(name) for name in first + second} == {"works.first", "works.second"}
