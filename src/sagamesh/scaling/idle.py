"""When KEDA stops the last replicas of a pool, where it may: after a pause without any need."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Idle"]


class Idle:
    """Remembers when a pool was last needed.

    - `cooldown`: seconds without need until it may be stopped.
    """

    def __init__(self, cooldown: float) -> None:
        self._cooldown = cooldown
        self._needed: float | None = None

    def stopped(self, now: float, active: Iterable[bool]) -> bool:
        """Whether no replica is needed at all.

        - `active`: of each trigger, whether its figure is above its activation value; a running count (KEDA's
          `includeRunningWorkflowCount`) makes a trigger active, and changes its figure in nothing.
        """
        if self._needed is None or any(list(active)):
            self._needed = now
        return now - self._needed > self._cooldown
