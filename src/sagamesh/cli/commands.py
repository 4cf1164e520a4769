"""The group of all commands, where every known error becomes one line and an exit code."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sagamesh.cli import output

__all__ = ["Commands", "options"]


class Commands(TyperGroup):
    """Runs a command and explains what it raises."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the arguments name.

        Raises:
            typer.Exit: with the exit code of a known error, which has been printed.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # no error: see `sagamesh.cli.main`
        except OSError as error:
            raise typer.Exit(output.fail(error)) from error
        except Exception as error:
            # Loaded only now: the framework takes half a second, and `--help` must not.
            from sagamesh.errors import SagameshError

            if isinstance(error, SagameshError):
                raise typer.Exit(output.fail(error)) from error
            raise


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
