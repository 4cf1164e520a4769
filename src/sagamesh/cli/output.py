"""What every command shares: text or JSON, errors and exit codes, asynchronous work, the client.

Results go to standard output; progress and errors go to standard error, so that a script may read the one and a person
the other.
"""

from __future__ import annotations

import asyncio
import errno
import getpass
import os
import sys
from collections.abc import Coroutine, Sequence
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.client import Client

__all__ = [
    "DONE",
    "TASK_FAILED",
    "UNREACHABLE",
    "WRONG_INPUT",
    "JsonOption",
    "as_json",
    "connect",
    "console",
    "exit_code",
    "expect_json",
    "fail",
    "flush",
    "print_json",
    "print_table",
    "print_text",
    "run",
    "user",
    "who",
]

DONE = 0
TASK_FAILED = 1
WRONG_INPUT = 2
UNREACHABLE = 3
T = TypeVar("T")


class _Console(Console):
    """A console that leaves it to the caller what a closed pipe means, instead of ending the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _Mode:
    """What the command line that is being run asked for. One process runs one command."""

    json = False


def _remember(json: bool) -> bool:
    _Mode.json = json
    return json


def expect_json(wanted: bool) -> None:
    """Say errors as JSON or not, also those of a command line that has not been understood yet."""
    _Mode.json = wanted


def as_json() -> bool:
    """Whether errors are said as JSON."""
    return _Mode.json


JsonOption = Annotated[
    bool, typer.Option("--json", callback=_remember, help="Print JSON; durations are in seconds, errors JSON, too.")
]


def console(stream: IO[str] | None = None) -> Console:
    """A console on standard output, or on `stream`, that prints text as it is: no markup, no wrapping in a pipe."""
    stream = stream or sys.stdout
    width = None if stream is not None and stream.isatty() else 100_000
    return _Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True, width=width)


def print_text(text: str | Text) -> None:
    """Print a result for people."""
    console().print(text)


def print_json(value: Any) -> None:
    """Print a result as one JSON document: models, dataclasses, times (ISO 8601) and durations (seconds) included."""
    from pydantic_core import to_json

    sys.stdout.write(to_json(value, indent=2, timedelta_mode="float").decode() + "\n")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """Print rows for people: fitted to the terminal, or one line a row in a pipe."""
    if not sys.stdout.isatty():
        sys.stdout.writelines(f"{line}\n" for line in _aligned([columns, *rows]))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    console().print(table)


def _aligned(rows: Sequence[Sequence[str | Text]]) -> list[str]:
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def exit_code(error: Exception) -> int:
    """The exit code that an error stands for."""
    from sagamesh.errors import DependencyUnreachable, Refused, ServerUnreachable, TaskFailed
    from sagamesh.stack.errors import PortTaken, StackFailed

    if isinstance(error, (ServerUnreachable, DependencyUnreachable)):
        return UNREACHABLE
    if isinstance(error, (TaskFailed, Refused)) or (
        isinstance(error, StackFailed) and not isinstance(error, PortTaken)
    ):
        return TASK_FAILED
    return WRONG_INPUT


def fail(error: Exception, *, code: int | None = None) -> int:
    """Print an error on standard error, for people or as JSON, and return its exit code, unless that is given."""
    code = exit_code(error) if code is None else code
    if _Mode.json:
        from pydantic_core import to_json

        shown = {"type": type(error).__name__, "message": str(error), "exit_code": code}
        for detail in ("fields", "failure", "nearest", "reason", "task_id"):
            if hasattr(error, detail):
                shown[detail] = getattr(error, detail)
        sys.stderr.write(to_json({"error": shown}, timedelta_mode="float").decode() + "\n")
    else:
        console(sys.stderr).print(Text.assemble(("error: ", "bold red"), str(error)))
    return code


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run the asynchronous part of a command and return its result."""
    from sagamesh.engine_log import log_through_python

    log_through_python()
    return asyncio.run(work)


async def connect(app: App) -> Client:
    """The client of a command, for this app's tasks.

    The server is the one that the standard environment or profile names, else the project's embedded stack, else the
    default address.

    Raises:
        ServerUnreachable: when it does not answer.
    """
    from socket import gethostname

    from sagamesh.app import project_root
    from sagamesh.client import Client
    from sagamesh.stack.state import running_address

    return await Client.connect(
        plugin=app.plugin(), address=running_address(project_root()), identity=f"{user() or 'unknown'}@{gethostname()}"
    )


def user() -> str:
    """The person at the keyboard: SAGAMESH_USER, else the operating system's user; empty when that has no name."""
    try:
        return os.environ.get("SAGAMESH_USER") or getpass.getuser()
    except (KeyError, OSError):  # the user of a container may have none
        return ""


def who(by: str | None) -> str:
    """Who decides: as `--by` says, else the person at the keyboard.

    Raises:
        InvalidInput: when that names nobody.
    """
    from sagamesh.errors import InvalidInput
    from sagamesh.failure import FieldProblem

    name = user() if by is None else by
    if not name.strip():
        raise InvalidInput("--by", [FieldProblem(field="", problem="say who decides, with --by or SAGAMESH_USER")])
    return name


def flush() -> None:
    """Write what is buffered.

    Raises:
        OSError: when it cannot be written; BrokenPipeError when nobody reads it.
    """
    sys.stdout.flush()
