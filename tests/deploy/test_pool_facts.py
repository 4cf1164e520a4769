"""What `sagamesh deploy values` writes is what the code consists of, and what the chart deploys."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import mesh_workers
from mesh_workers import ten, zones
from sagamesh import Agent, App, Mesh, Message, Task
from sagamesh.deploy import as_values, as_yaml, pool_facts
from tests.support.charts import CHART, CI, ROOT, Chart
from tests.support.pods import pods

APPS = {"mesh_workers:app": mesh_workers.app, "mesh_workers.ten:app": ten.app, "mesh_workers.zones:app": zones.app}


class Asked(Message):
    """Nothing."""


def an_app() -> App:
    trips = Agent("trips")
    slow = Agent("slow", depends_on=["trips"])
    airline = slow.provider("airline", rate=5, slots=2)
    slow.capability("look", takes=Asked, returns=Asked, timeout=timedelta(seconds=2.5))
    slow.capability("book", takes=Asked, returns=Asked, timeout=timedelta(minutes=2), provider=airline)
    return App(
        mesh=Mesh(slow, trips, slow.in_zone("eu")),
        tasks=(Task("Trip", takes=Asked, returns=Asked, queue="journeys"),),
        pools={name: f"pools:{name}" for name in ("journeys", "slow", "trips", "slow.eu")},
    )


def test_pools_in_the_order_of_the_mesh() -> None:
    assert as_values(pool_facts(an_app())) == {
        "agents": [
            {
                "name": "slow",
                "kind": "agent",
                "queues": ["slow", "slow/airline"],
                "queueSlots": {"slow/airline": 2},
                "dependsOn": ["trips"],
                "graceSeconds": 120,
            },
            {"name": "trips", "kind": "agent", "queues": ["trips"]},
            {
                "name": "slow.eu",
                "kind": "agent",
                "zone": "eu",
                "queues": ["slow.eu", "slow.eu/airline"],
                "queueSlots": {"slow.eu/airline": 2},
                "dependsOn": ["trips"],
                "graceSeconds": 120,
            },
            {"name": "journeys", "kind": "tasks", "queues": ["journeys"]},
        ]
    }


def test_one_pool_for_an_agent_and_its_zones() -> None:
    slow = Agent("slow")
    app = App(mesh=Mesh(slow, slow.in_zone("eu")), pools={"slow": "pools:slow"})
    (entry,) = as_values(pool_facts(app))["agents"]
    assert entry == {"name": "slow", "kind": "agent", "queues": ["slow", "slow.eu"]}


def test_a_call_may_not_run_longer_than_a_worker_can_be_given() -> None:
    slow = Agent("slow")
    slow.capability("train", takes=Asked, returns=Asked, timeout=timedelta(hours=30))
    (facts,) = pool_facts(App(mesh=Mesh(slow), pools={"slow": "pools:slow"}))
    assert facts.grace_seconds == 3600


@pytest.mark.parametrize("app", [an_app(), *APPS.values()], ids=["small", *APPS])
def test_the_file_says_the_same_as_the_values(app: App) -> None:
    assert yaml.safe_load(as_yaml(pool_facts(app))) == as_values(pool_facts(app))


@pytest.mark.parametrize("values", [CHART / "values.yaml", *CI], ids=lambda path: path.stem)
def test_the_chart_lists_what_the_code_consists_of(values: Path) -> None:
    written: dict[str, Any] = yaml.safe_load(values.read_text(encoding="utf-8"))
    app = written.get("app") or "mesh_workers:app"
    if "agents" in written:
        assert written["agents"] == as_values(pool_facts(APPS[app]))["agents"], "run `sagamesh deploy values`"
    else:
        assert app == "mesh_workers:app"  # whose list is the chart's own


def test_a_gate_is_a_task_of_the_pool_that_has_it(chart: Chart) -> None:
    objects = chart.render(CHART / "ci" / "versioned-ten-values.yaml")
    gates = {
        each["metadata"]["labels"]["sagamesh.dev/pool"]: each["spec"]["rollout"]["gate"]
        for each in objects
        if each["kind"] == "WorkerDeployment" and "gate" in each["spec"]["rollout"]
    }
    assert set(gates) == {"orders"}
    (task,) = [each for each in ten.app.tasks if each.name == gates["orders"]["workflowType"]]
    assert task.queue == "orders"
    assert task.takes.model_validate(gates["orders"]["input"])


def test_the_command_writes_what_the_chart_takes(chart: Chart, tmp_path: Path) -> None:
    agents = tmp_path / "agents.yaml"
    agents.write_text(command(), encoding="utf-8")
    rendered = pods(chart.render(agents))
    assert {pod["spec"]["containers"][0]["args"][0] for pod in rendered.values()} == set(zones.app.pools)
    assert json.loads(command("--json")) == as_values(pool_facts(zones.app), "mesh_workers.zones:app")


def test_a_mesh_of_the_project_comes_with_the_app_that_the_workers_load(chart: Chart) -> None:
    values = CHART / "ci" / "ten-values.yaml"
    assert command("--mesh", "ten", app="") == values.read_text(encoding="utf-8")
    rendered = pods(chart.render(values))
    assert len(rendered) == len(ten.app.pools)
    for pod in rendered.values():
        variables = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
        assert variables["SAGAMESH_APP"] == "mesh_workers.ten:app"


def test_a_mesh_that_is_none_is_one_line_with_the_nearest_and_exit_code_2() -> None:
    done = run("--mesh", "tem", app="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no mesh of [tool.sagamesh.meshes] is called 'tem'; did you mean ten?\n"
    done = run("--mesh", "ten")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: two apps are named: mesh_workers.zones:app by SAGAMESH_APP, and mesh 'ten'")


def test_a_project_that_is_none_is_one_line_and_exit_code_2() -> None:
    done = run(app="nowhere:app")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the app, nowhere:app, cannot be imported")
    assert done.stderr.count("\n") == 1


def command(*options: str, app: str = "mesh_workers.zones:app") -> str:
    done = run(*options, app=app)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run(*options: str, app: str = "mesh_workers.zones:app") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sagamesh", "deploy", "values", *options],
        env={"PATH": "/usr/bin:/bin", "SAGAMESH_APP": app},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
