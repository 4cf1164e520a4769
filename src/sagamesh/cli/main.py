"""The program `sagamesh`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

__all__ = ["DEFECT", "INTERRUPTED", "PIPE_CLOSED", "execute", "program", "run"]

DEFECT = 70
"""The exit code for what no command expects: a defect, or an output that cannot be written."""

PIPE_CLOSED = 141
"""As a shell reports a program that SIGPIPE ended: what read its output has left. That is no error."""

INTERRUPTED = 130
"""As a shell reports a program that SIGINT ended: somebody has typed Ctrl-C."""

_NOT_INSTALLED = 2
_SPANS_WITHIN = 2.0
"""Seconds."""


def program() -> typer.Typer:
    """All commands. Each module of them adds its own, and imports what is heavy only when a command runs.

    Raises:
        ModuleNotFoundError: when the extra `cli` is not installed.
    """
    import typer

    from sagamesh.cli import (
        audit,
        breaker,
        chaos,
        decisions,
        deploy,
        doctor,
        explain,
        fleet,
        load,
        locks,
        replay,
        restart,
        stack,
        tasks,
    )
    from sagamesh.cli.commands import Commands, options

    app = typer.Typer(
        name="sagamesh",
        cls=Commands,
        help="Durable multi-agent tasks on Temporal.",
        epilog="Exit codes: 0 done, 1 the task failed or refused, 2 wrong usage or input, 3 the server is unreachable, "
        "or what a pool opens.",
        no_args_is_help=True,
        # Typer's own tracebacks print the values of variables, and some of them are secrets.
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    for module in (
        stack,
        restart,
        tasks,
        decisions,
        explain,
        fleet,
        breaker,
        locks,
        audit,
        replay,
        doctor,
        load,
        chaos,
        deploy,
    ):
        module.register(app)
    return app


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; what no command expects is printed with its traceback."""
    try:
        return _execute(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


def _execute(arguments: Sequence[str]) -> int:
    try:
        commands = program()
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"error: {missing.name} is not installed; the command line needs `sagamesh[cli]`\n")
        return _NOT_INSTALLED
    from sagamesh.cli import output

    # Before the command line is understood: that it is not is said as JSON, too.
    output.expect_json("--json" in arguments)
    try:
        commands(args=list(arguments), prog_name="sagamesh")
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):
            return PIPE_CLOSED
        if isinstance(leaving.code, int):
            return leaving.code
        # Typer ends every command with a number. Anything else comes from a project's own code, and means what it
        # means to Python: a message, and failure.
        sys.stderr.write(f"{leaving.code}\n")
        return 1
    except KeyboardInterrupt:
        raise
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.write("error: a defect in sagamesh or in your project, not in what you typed; please report it\n")
        return DEFECT
    return 0


def run() -> NoReturn:
    """Run the command line of this process, and end it.

    The process ends without the interpreter's own exit, during which the Temporal SDK's threads may abort it.
    """
    try:
        # Loaded only now: until here nobody answers Ctrl-C but the interpreter, with a traceback.
        import logging

        # Said once and shortly at the end, instead of by the exporter for each of its tries; a worker has it log again.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        code = execute(sys.argv[1:])
        _send_spans()
    except KeyboardInterrupt:
        code = INTERRUPTED
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed by whoever started this process
                stream.flush()
        except BrokenPipeError:
            code = code or PIPE_CLOSED
        except OSError:
            code = code or DEFECT  # what was printed has not arrived, so this was no success
    os._exit(code)


def _send_spans() -> None:
    """Send what this process has traced, for at most as long as a person would wait for it."""
    provider = sys.modules.get("sagamesh.tracing.provider")
    if provider is None:
        return  # nothing was traced
    if not provider.sent(_SPANS_WITHIN):
        sys.stderr.write("warning: the traces could not be sent to where OTEL_EXPORTER_OTLP_ENDPOINT says\n")
