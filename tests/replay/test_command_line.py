"""`sagamesh replay`: verdicts, exit codes, a server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from sagamesh.cli.main import execute
from sagamesh.replay import write_golden
from sagamesh.testing import dev_server
from tests.replay import flows
from tests.replay.conftest import Changed

PROJECT = Path(__file__).parent / "project.py"


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAGAMESH_APP", "tests.replay.project:app")
    level = logging.getLogger("temporalio").level
    yield
    logging.getLogger("temporalio").setLevel(level)


@pytest.fixture
def goldens(histories: Mapping[str, WorkflowHistory], tmp_path: Path) -> Path:
    for name in ("steps", "failing", "versioned"):
        asyncio.run(write_golden(histories[name], tmp_path / "goldens" / f"{name}.json"))
    return tmp_path / "goldens"


@pytest.fixture
def changed_project(changed: Changed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same project after somebody changed a timeout."""
    code = changed("start_to_close_timeout=timedelta(seconds=15)", "start_to_close_timeout=timedelta(seconds=16)")
    _use(code, tmp_path, monkeypatch)


def _use(code: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{code.__name__}_project"
    (folder / f"{name}.py").write_text(PROJECT.read_text().replace("tests.replay.flows", code.__name__))
    monkeypatch.setenv("SAGAMESH_APP", f"{name}:app")


def test_histories_that_fit(goldens: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["replay", str(goldens / "steps.json"), str(goldens / "failing.json")]) == 0

    out, err = capfd.readouterr()
    assert out.splitlines() == [
        f"pass  {goldens}/steps.json  Steps, 6 commands",
        f"pass  {goldens}/failing.json  Failing, 2 commands",
        "2 of 2 pass",
    ]
    assert err == ""


def test_a_folder_is_all_its_histories(goldens: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["replay", str(goldens)]) == 0

    assert capfd.readouterr().out.splitlines()[-1] == "3 of 3 pass"


@pytest.mark.usefixtures("changed_project")
def test_a_history_that_no_longer_fits(goldens: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["replay", str(goldens)]) == 1

    out, _ = capfd.readouterr()
    assert "FAIL" in out
    assert "start-to-close timeout was 15s, is now 16s" in out
    assert "2 of 3 pass" in out
    assert 'if workflow.patched("what-changed"):' in out


@pytest.mark.usefixtures("changed_project")
def test_json(goldens: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["replay", str(goldens), "--json"]) == 1

    out, _ = capfd.readouterr()
    found = {Path(verdict["source"]).stem: verdict for verdict in json.loads(out)}
    assert {name: verdict["ok"] for name, verdict in found.items()} == {
        "failing": True,
        "steps": False,
        "versioned": True,
    }
    assert found["steps"]["workflow_type"] == "Steps"
    assert found["steps"]["commands"] == 6
    assert len(found["steps"]["problems"]) == 1


def test_the_engines_own_log_stays_out_of_the_output(
    goldens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Changed, capfd: pytest.CaptureFixture[str]
) -> None:
    code = changed('"stock.reserve", args=["sku-1", 2]', '"stock.hold", args=["sku-1", 2]')
    _use(code, tmp_path, monkeypatch)

    assert execute(["replay", str(goldens / "steps.json"), "--json"]) == 1

    out, err = capfd.readouterr()
    [verdict] = json.loads(out)
    assert verdict["problems"][-1].startswith("the engine refuses it: [TMPRL1100] Nondeterminism error: Activity type")
    assert err == ""


def test_wrong_use(goldens: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()

    assert execute(["replay"]) == 2
    assert execute(["replay", str(goldens), "--from-server"]) == 2
    assert execute(["replay", "--from-server", "--limit", "0"]) == 2
    assert execute(["replay", str(goldens / "steps.txt")]) == 2
    assert execute(["replay", str(goldens / "steps.json"), str(goldens / "nowhere.json")]) == 2
    assert execute(["replay", str(tmp_path / "empty")]) == 2

    out, err = capfd.readouterr()
    assert out == ""
    assert "give history files, or --from-server" in err
    assert "steps.txt is not valid: is no workflow history" in err
    assert "nowhere.json is not valid: cannot be read: No such file or directory" in err
    assert "nothing to replay: the folders hold no *.json" in err


def test_no_server(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")

    assert execute(["replay", "--from-server"]) == 3

    assert "does not answer" in capfd.readouterr().err


def test_from_a_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Not of the whole process: the server writes there, too, whenever it comes to it.
    async def work() -> list[tuple[int, str, str]]:
        async with dev_server() as server:
            async with Worker(
                server.client,
                task_queue="replay-tests",
                workflows=flows.WORKFLOWS,
                activities=flows.ACTIVITIES,
                workflow_runner=UnsandboxedWorkflowRunner(),
            ):
                for name, flow, arg in [("a", "Steps", flows.CHARGE), ("b", "Steps", flows.CHARGE), ("c", "Again", 0)]:
                    await server.client.execute_workflow(flow, arg, id=name, task_queue="replay-tests")
            # The server's list lags behind its histories, and tells nobody when it has caught up.
            while (await server.client.count_workflows("ExecutionStatus = 'Completed'")).count < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            monkeypatch.setenv("TEMPORAL_ADDRESS", server.client.service_client.config.target_host)
            capsys.readouterr()
            found = []
            for options in (
                [],
                ["--limit", "1"],
                ["--query", "WorkflowId = 'c'"],
                ["--query", "WorkflowId = 'd'"],
                ["--query", "?"],
            ):
                code = await asyncio.to_thread(execute, ["replay", "--from-server", *options])
                found.append((code, *capsys.readouterr()))
            return found

    everything, newest, unknown, nothing, nonsense = asyncio.run(work())

    assert everything[:2] == (0, "pass  b  Steps, 6 commands\npass  a  Steps, 6 commands\n2 of 2 pass\n")
    assert newest[:2] == (0, "pass  b  Steps, 6 commands\n1 of 1 pass\n")
    assert unknown[0] == 1
    assert "no workflow class is called Again" in unknown[1]
    assert nothing[0] == 2
    assert "nothing to replay: the server has no task that matches" in nothing[2]
    assert nonsense[0] == 2
    assert nonsense[2].startswith("error: ")
