"""The program `sagamesh`: exit codes, errors, and where what is printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sagamesh.cli import output
from sagamesh.cli.main import execute
from sagamesh.errors import (
    DefinitionError,
    InvalidInput,
    Refused,
    SagameshError,
    ServerUnreachable,
    TaskConflict,
    TaskNotFound,
    UnknownName,
)
from sagamesh.failure import FieldProblem
from sagamesh.stack.errors import PortTaken, StackFailed

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("SAGAMESH_", "TEMPORAL_"))}


def sagamesh(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sagamesh", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        text=True,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SagameshError("x"), 2),
        (DefinitionError("x"), 2),
        (UnknownName("agent", "x", []), 2),
        (InvalidInput("x", []), 2),
        (TaskNotFound("x"), 2),
        (TaskConflict("x"), 2),
        (PortTaken("x"), 2),
        (FileNotFoundError("x"), 2),
        (StackFailed("x"), 1),
        (Refused("PastPointOfNoReturn", "x"), 1),
        (ServerUnreachable("x"), 3),
    ],
)
def test_exit_codes(error: Exception, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert output.exit_code(error) == code
    assert output.fail(error) == code
    assert capsys.readouterr().err.startswith("error: ")


def test_an_error_as_json_carries_its_details(capsys: pytest.CaptureFixture[str], as_json: None) -> None:
    output.fail(InvalidInput("the order", [FieldProblem(field="lines.0.sku", problem="missing")]))
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "type": "InvalidInput",
            "message": "the order is not valid: lines.0.sku: missing",
            "exit_code": 2,
            "fields": [{"field": "lines.0.sku", "problem": "missing"}],
        }
    }


@pytest.fixture(autouse=True)
def as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the start of a process, whatever other tests in this one have asked for."""
    monkeypatch.setattr(output._Mode, "json", False)


@pytest.fixture
def as_json(as_text: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after --json."""
    monkeypatch.setattr(output._Mode, "json", True)


def test_json_has_times_durations_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass
    class Row:
        waited: timedelta
        where: Path

    output.print_json([Row(timedelta(milliseconds=1500), Path("/x"))])
    assert json.loads(capsys.readouterr().out) == [{"waited": 1.5, "where": "/x"}]


def test_a_table_in_a_pipe_is_one_line_a_row_with_nothing_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("name", "said"), [("a", "x" * 300), ("longer", "[red]as it is[/red]")])
    assert capsys.readouterr().out.splitlines() == [
        "name    said",
        "a       " + "x" * 300,
        "longer  [red]as it is[/red]",
    ]


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["up", "--port", "many"], []])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (DefinitionError("no app"), 2, "error: no app"),
        (FileNotFoundError(2, "No such file", "order.json"), 2, "error: [Errno 2] No such file: 'order.json'"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit("the roof is gone"), 1, "the roof is gone"),
        (ZeroDivisionError("seven"), 70, "ZeroDivisionError: seven"),
    ],
)
def test_what_a_command_raises(
    raised: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def raising(*_: Any) -> None:
        raise raised

    monkeypatch.setattr("sagamesh.app.project_root", raising)
    assert execute(["status"]) == code
    printed = capsys.readouterr().err
    assert said in printed
    assert ("Traceback" in printed) == (code == 70)


def test_version_and_help(tmp_path: Path) -> None:
    version = sagamesh(tmp_path, "--version")
    assert (version.returncode, version.stdout.split()[0], version.stderr) == (0, "sagamesh", "")
    usage = sagamesh(tmp_path, "--help")
    assert usage.returncode == 0
    assert "up" in usage.stdout
    assert "down" in usage.stdout


def test_help_loads_neither_the_engine_nor_the_framework() -> None:
    program = "import sys; from sagamesh.cli.main import execute; execute(['--help']); print(); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = ("sagamesh.", "temporalio", "psutil", "pydantic")
    loaded = {name for name in ran.stdout.splitlines()[-1].split() if name.startswith(heavy)}
    assert {name for name in loaded if not name.startswith("sagamesh.cli")} == set()


def test_a_reader_that_leaves_is_no_failure_of_ours(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        left = sagamesh(tmp_path, "--help", stdout=write)
        assert (left.returncode, left.stderr) == (141, "")
        left = sagamesh(tmp_path, "status", "--json", stdout=write)
        assert (left.returncode, left.stderr) == (141, "")
    finally:
        os.close(write)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_no_success(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert sagamesh(tmp_path, "--version", stdout=full).returncode != 0


def test_without_a_stack_status_says_so_and_down_does_nothing(tmp_path: Path) -> None:
    status = sagamesh(tmp_path, "status", "--json")
    assert status.returncode == 3
    assert json.loads(status.stdout)["state"] == "down"
    down = sagamesh(tmp_path, "down")
    assert down.returncode == 0
    assert "Nothing runs" in down.stdout
    assert list(tmp_path.iterdir()) == []


def test_up_needs_an_app(tmp_path: Path) -> None:
    up = sagamesh(tmp_path, "up")
    assert up.returncode == 2
    assert up.stderr.startswith("error: no app found: put [tool.sagamesh]")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pair", ["gateway", "=1", "gateway=", "gateway=x"])
def test_a_helpers_port_is_a_pair(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["up", "--helper-port", pair]) == 2
    assert "is not NAME=PORT" in capsys.readouterr().err
