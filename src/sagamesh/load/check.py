"""A project's own proof that what a load or a game day left behind is right."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sagamesh.load.record import Record

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.stack.state import StackState

__all__ = ["pool_environment", "violations"]

_log = logging.getLogger("sagamesh.load")


async def violations(app: App, record: Record, environment: Mapping[str, str]) -> list[str]:
    """What the app's check finds; empty when all is right, or the app has none.

    A check that cannot be made proves nothing, so it counts as a violation, which says where it ended.

    Raises:
        DefinitionError: when the check cannot be imported.
    """
    check = app.check()
    if check is None:
        return []
    try:
        return list(await check(record, environment))
    except Exception as error:
        _log.debug("the check %s ended in an error", app.checks, exc_info=True)
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return [f"the check {app.checks} could not be made: {type(error).__name__}: {error} ({place})"]


def pool_environment(state: StackState | None) -> dict[str, str]:
    """The environment in which the pools of a running embedded stack were started; without one, this process's own."""
    if state is None:
        return dict(os.environ)
    import psutil  # of the extra `stack`, without which no stack runs

    for part in state.parts:
        process = part.process.find() if part.kind == "pool" and part.process is not None else None
        if process is None:
            continue
        try:
            return process.environ()
        except psutil.Error:  # it has just ended; the next one was started with the same
            continue
    return dict(os.environ)
