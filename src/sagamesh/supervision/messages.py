"""What a supervisor is asked for, and the names on the wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from sagamesh.message import Message

__all__ = ["AFTERMATH", "EARLIER_RUNS", "SUPERVISOR", "Examined", "Supervised", "Supervision", "supervisor_id"]

SUPERVISOR: Final = "sagamesh.Supervisor"
"""The workflow type of a supervisor."""

AFTERMATH: Final = "sagamesh.supervision.aftermath"
"""The activity that reads what a task has left behind."""

EARLIER_RUNS: Final = "earlier-runs"
"""What an operator decides about where a supervisor cannot learn what earlier runs of its task did. No step's name."""


def supervisor_id(task_id: str) -> str:
    """The workflow id of a task's supervisor."""
    return f"{task_id}.supervisor"


class Supervised(Message):
    """A task to be started and watched.

    - `task`, `queue`, `input`: its workflow type, its task queue, its input as JSON.
    - `title`, `customer`, `agents`: what it is found by.
    - `priority`, `tenant`, `weight`: what it waits by (see `sagamesh.limits`).
    - `timeout`: ends it from outside after so long. Without a supervisor such a timeout would undo nothing.
    """

    task: Annotated[str, Field(min_length=1)]
    queue: Annotated[str, Field(min_length=1)]
    id: Annotated[str, Field(min_length=1)]
    input: Any = None
    title: str = ""
    customer: str = ""
    agents: tuple[str, ...] = ()
    priority: int | None = None
    tenant: str = ""
    weight: float | None = None
    timeout: timedelta | None = None


class Examined(Message):
    """Which task to look at."""

    id: str


class Supervision(Message):
    """How a supervised task ended: `completed`, `failed`, `cancelled`.

    - `forgotten`: why nothing is known of its earlier runs; empty where all are known.
    """

    ended: str
    forgotten: str = ""
