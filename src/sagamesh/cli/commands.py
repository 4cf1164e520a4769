"""The group of all commands, where every known error becomes one line and an exit code."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sagamesh.cli import output

__all__ = ["Commands", "options"]

PIPE_CLOSED = 141
"""As a shell reports a program that SIGPIPE ended: what read its output has left."""


class Commands(TyperGroup):
    """Runs a command and explains what it raises."""

    def invoke(self, ctx: Any) -> object:
        """Run the command that the arguments name.

        Raises:
            typer.Exit: with the exit code of a known error, which has been printed.
        """
        try:
            result: object = super().invoke(ctx)
            # Here, where a closed pipe is still understood, and not at the end of the process.
            output.flush()
        except BrokenPipeError:
            output.silence()
            raise typer.Exit(PIPE_CLOSED) from None
        except OSError as error:
            raise typer.Exit(output.fail(error)) from error
        except Exception as error:
            # Loaded only now: the framework takes half a second, and `--help` must not.
            from sagamesh.errors import SagameshError

            if isinstance(error, SagameshError):
                raise typer.Exit(output.fail(error)) from error
            raise
        return result


def _version(wanted: bool) -> None:
    if wanted:
        output.print_text(f"sagamesh {version('sagamesh')}")
        raise typer.Exit


def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Durable multi-agent tasks on Temporal."""
