"""What one figure asks for: how many replicas would bring it to its target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["TOLERANCE", "Figure", "average_value", "utilization"]

TOLERANCE: Final = 0.1
"""A figure within a tenth of its target asks for no change."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as it is now, and how many replicas it asks for.

    - `name`: for people.
    - `value`: None when it is not known.
    - `target`: for each replica.
    - `wanted`: None when the value is not known, or there is no target.
    """

    name: str
    value: float | None
    target: float
    wanted: int | None

    def __str__(self) -> str:
        if self.wanted is None:
            return f"{self.name} unknown"
        return f"{self.name} {self.value:g} at {self.target:g} each"


def average_value(name: str, value: float | None, target: float, current: int) -> Figure:
    """A total that is shared by the replicas, as from KEDA: `ceil(value / target)`.

    - `target`: above 0; any other is none, and then the figure asks for nothing.
    - `current`: replicas now.
    """
    if value is None or target <= 0:
        return Figure(name, value, target, None)
    if current and abs(1 - value / (target * current)) <= TOLERANCE:
        return Figure(name, value, target, current)
    return Figure(name, value, target, math.ceil(value / target))


def utilization(name: str, percent: float | None, target: float, current: int) -> Figure:
    """A percentage that is the mean of the replicas, as of CPU and memory: `ceil(current * percent / target)`.

    - `current`: replicas now, all of them ready.
    """
    if percent is None:
        return Figure(name, None, target, None)
    ratio = percent / target
    return Figure(name, percent, target, current if abs(1 - ratio) <= TOLERANCE else math.ceil(current * ratio))
