"""Help is quick, and says what a command needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.shop import CommandLine

HEAVY = ("temporalio", "pydantic", "sqlalchemy", "google.protobuf")
COMMANDS = ["start", "show", "list", "cancel", "approve", "reject", "operator", "doctor"]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from sagamesh.cli.main import program; program(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(alone: CommandLine, command: str) -> None:
    ran = alone(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "--json" in ran.out


def test_the_statuses_of_list_are_those_of_tasks() -> None:
    from typing import get_args

    from sagamesh.cli.filter import StatusWord
    from sagamesh.status import Stage

    assert set(get_args(StatusWord)) == {stage.value for stage in Stage}


def test_ctrl_c_while_the_program_loads(alone: CommandLine) -> None:
    """Whoever changes their mind at once is told nothing about the framework's modules."""
    (alone.folder / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8")
    ran = alone("list")
    assert (ran.code, ran.out, ran.err) == (130, "", "")
