"""Help is quick, and says what a command needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from sagamesh.cli.main import program
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


def test_each_command_but_worker_prints_json() -> None:
    commands = _leaves(get_command(program()))
    assert [name for name, command in commands if "--json" not in _options(command)] == ["worker"]


def test_the_mesh_as_json_by_either_option(alone: CommandLine) -> None:
    ran = alone("topology", "--json")
    assert (ran.code, ran.json) == (0, alone("topology", "--format", "json").json)


def _leaves(command: Any) -> Iterator[tuple[str, Any]]:
    """The commands below a group, or the command itself."""
    if not isinstance(command, TyperGroup):
        yield command.name, command
        return
    for each in command.commands.values():
        yield from _leaves(each)


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


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
