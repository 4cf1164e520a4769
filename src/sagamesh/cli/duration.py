"""Durations as people type them."""

from __future__ import annotations

import re
from datetime import timedelta

import typer

__all__ = ["duration"]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def duration(option: str, text: str) -> timedelta:
    """What an option says: `30s`, `5m`, `1.5h`; a number alone is seconds.

    Raises:
        typer.BadParameter: for anything else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if found is None or float(found[1]) * _UNITS[found[2]] > 7 * 86_400:
        raise typer.BadParameter(
            f"{text!r} is no duration such as 30s, 5m or 1.5h, of at most a week", param_hint=option
        )
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
