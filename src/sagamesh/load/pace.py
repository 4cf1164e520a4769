"""When a load begins its tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["DEFAULT_CONCURRENCY", "Pace"]

DEFAULT_CONCURRENCY = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, how long, and how gently at the beginning.

    - `rate`: tasks a second, whether those before them have ended or not (an open loop); None for a closed loop.
    - `concurrency`: in a closed loop, so many at a time, each followed by the next.
    - `count`: so many tasks; `seconds`: begin none after so long. One of them, or both, ends the load.
    - `ramp`: seconds until the full rate or concurrency is reached; both grow evenly.

    Raises:
        InvalidInput: naming the options that contradict each other.
    """

    rate: float | None = None
    concurrency: int = DEFAULT_CONCURRENCY
    count: int | None = None
    seconds: float | None = None
    ramp: float = 0.0

    def __post_init__(self) -> None:
        wrong = [
            ("rate", self.rate is not None and not 0 < self.rate < math.inf, "must be above 0"),
            ("concurrency", self.concurrency < 1, "must be at least 1"),
            ("count", self.count is not None and self.count < 1, "must be at least 1"),
            ("duration", self.seconds is not None and not 0 < self.seconds < math.inf, "must be above 0"),
            ("ramp", not 0 <= self.ramp < math.inf, "must be at least 0"),
            ("count", self.count is None and self.seconds is None, "or a duration is needed: when does the load end?"),
        ]
        problems = [FieldProblem(field=field, problem=problem) for field, bad, problem in wrong if bad]
        if problems:
            raise InvalidInput("the load", problems)

    def begins(self, n: int) -> float:
        """Open loop: seconds from the load's start at which task `n`, from 0, is meant to begin.

        While the rate grows evenly over the ramp, rate * t**2 / (2 * ramp) tasks have begun by the time t.
        """
        rate = self.rate or 1.0
        in_ramp = rate * self.ramp / 2
        if n < in_ramp:
            return math.sqrt(2 * self.ramp * n / rate)
        return self.ramp + (n - in_ramp) / rate

    def joins(self, worker: int) -> float:
        """Closed loop: seconds from the load's start at which this worker, from 0, sends its first task."""
        return self.ramp * worker / self.concurrency

    def over(self, n: int, seconds: float) -> bool:
        """Whether task `n`, from 0, would be one too many `seconds` after the load's start."""
        return (self.count is not None and n >= self.count) or (self.seconds is not None and seconds >= self.seconds)
