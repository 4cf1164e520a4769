"""The group of all commands, where every known error becomes one line and an exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from sagamesh.cli import output

__all__ = ["Commands", "options"]


_MESH: Final = "mesh"
_OF_ANY_MESH: Final = frozenset({"down", "status"})
"""These are about whatever runs here."""


class UsageError(Exception):
    """The command line was not understood."""


class Commands(TyperGroup):
    """Runs a command and explains what it raises. The option `--mesh` may stand before a command or after it."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, with `--mesh` among its options; None when there is none."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and cmd_name not in _OF_ANY_MESH:
            [mesh] = [param for param in self.params if param.name == _MESH]
            for each in _leaves(command):
                if mesh not in each.params:
                    each.params.append(mesh)
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what stands before the command.

        Raises:
            typer.Exit: with the exit code of wrong usage that was printed as JSON; for people Typer prints it.
        """
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            _explain_usage(error)
            raise

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
            _explain_usage(error)
            # Loaded only now: the framework takes half a second, and `--help` must not.
            from sagamesh.errors import SagameshError

            if isinstance(error, SagameshError):
                raise typer.Exit(output.fail(error)) from error
            raise


def _explain_usage(error: Exception) -> None:
    # The class of these errors has no public name that all versions of Typer share.
    said = getattr(error, "format_message", None)
    if callable(said) and output.as_json():
        raise typer.Exit(output.fail(UsageError(said()), code=output.WRONG_INPUT)) from error


def _leaves(command: Any) -> Iterator[Any]:
    """The command, or those of the group, whatever is below it."""
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            yield from _leaves(each)
    else:
        yield command


def _remember(mesh: str | None) -> str | None:
    # For this process and all that it starts: the environment is where everybody looks for the app.
    if mesh is not None:
        os.environ["SAGAMESH_MESH"] = mesh
    return mesh


def _version(wanted: bool) -> None:
    if wanted:
        output.print_text(f"sagamesh {version('sagamesh')}")
        raise typer.Exit


def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    mesh: Annotated[
        str | None,
        typer.Option(
            callback=_remember,
            expose_value=False,
            metavar="NAME",
            help="Which of the project's meshes: a name of tool.sagamesh.meshes in its pyproject.toml.",
        ),
    ] = None,
) -> None:
    """Durable multi-agent tasks on Temporal."""
