"""Which way a figure goes over time, whatever single jumps it makes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Trend", "trend"]

_TWO_SIDED_95 = 1.96


@dataclass(frozen=True, slots=True)
class Trend:
    """Growth for one unit of time, and the interval that holds it with 95 % were the points independent."""

    slope: float
    low: float
    high: float


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """The median of the slopes between all pairs of points (Theil and Sen): a third of them may be outliers.

    - `points`: time and value, at least two, in order of time, no time twice.
    """
    slopes = sorted((w - v) / (u - t) for i, (t, v) in enumerate(points) for u, w in points[i + 1 :])
    count = len(points)
    spread = _TWO_SIDED_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((len(slopes) - spread) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + spread) / 2))
    return Trend(statistics.median(slopes), slopes[low], slopes[high])
