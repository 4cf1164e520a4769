"""Arguments and options that several commands take."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["MixOption", "PrefixOption", "TaskArgument", "TaskId", "finite"]

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="The task's name, such as Order.")]
TaskId = Annotated[str, typer.Argument(metavar="ID", help="The task's id.")]
MixOption = Annotated[Path, typer.Option("--mix", metavar="FILE", help="The kinds of inputs, as JSON or TOML.")]
PrefixOption = Annotated[str | None, typer.Option(metavar="P", help="Ids are P-0, P-1, ... Else made up.")]


def finite(value: float) -> float:
    """The number itself, for an option's callback; a least value alone does not keep `inf` out.

    Raises:
        typer.BadParameter: for `nan` and `inf`.
    """
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value
