"""How many questions for work a process has open at a time on each queue."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from temporalio.worker import PollerBehaviorAutoscaling, PollerBehaviorSimpleMaximum

__all__ = ["DEFAULT_POLLERS", "Pollers", "polling"]

Pollers: TypeAlias = int | Literal["auto"]
"""A number, at least two; `auto` lets the engine's library follow the load."""

DEFAULT_POLLERS: Final = 5
"""As the engine's library has it.

The server must hand a task to a waiting poller within a second; where it is too busy for that, the task may count as
begun although no worker has it, and waits for its timeout. With up to 20 pollers this was seen, with five never, and
five keep a process busy. Scaled pollers also serve new tasks as readily as those that go on, and those then end later.
"""


def polling(pollers: Pollers) -> PollerBehaviorAutoscaling | PollerBehaviorSimpleMaximum:
    """The engine's name for it."""
    if pollers == "auto":
        return PollerBehaviorAutoscaling()
    return PollerBehaviorSimpleMaximum(maximum=pollers)
