"""What the latencies of a load come to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bar", "Figures", "drift", "histogram", "percentile"]


@dataclass(frozen=True, slots=True)
class Bar:
    """So many latencies above `above` seconds (the first bar: from there), up to `upto`."""

    above: float
    upto: float
    count: int


@dataclass(frozen=True, slots=True)
class Figures:
    """In seconds, exact: from all latencies, not from a sample. All 0 when there are none."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    most: float
    bars: tuple[Bar, ...]

    @classmethod
    def of(cls, latencies: Sequence[float]) -> Figures:
        """The figures of these latencies, in any order."""
        ranked = sorted(latencies)
        if not ranked:
            return cls(0, 0, 0, 0, 0, 0, ())
        p50, p90, p99 = (percentile(ranked, share) for share in (50, 90, 99))
        mean = math.fsum(ranked) / len(ranked)
        return cls(len(ranked), mean, p50, p90, p99, ranked[-1], histogram(ranked))


def drift(latencies: Sequence[float]) -> tuple[float, float] | None:
    """The median of the first tenth of these, in the order in which they came, and that of the last tenth.

    What takes longer the more there was before shows here. None for fewer than a hundred.
    """
    tenth = len(latencies) // 10
    if tenth < 10:
        return None
    return percentile(sorted(latencies[:tenth]), 50), percentile(sorted(latencies[-tenth:]), 50)


def percentile(ranked: Sequence[float], percent: float) -> float:
    """The least value that so many percent of these, in ascending order, do not exceed (nearest rank)."""
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def histogram(ranked: Sequence[float], most_bars: int = 14) -> tuple[Bar, ...]:
    """Bars of equal width on a logarithmic scale, because latencies differ by factors; the last ends at the largest.

    - `ranked`: above 0 or equal to it, in ascending order, at least one.
    """
    least, most = max(ranked[0], 1e-4), max(ranked[-1], 1e-4)
    # A bar is at least a tenth of its latency wide: finer is noise.
    bars = max(1, min(most_bars, math.ceil(math.log(most / least) / math.log(1.1))))
    edges = [least * (most / least) ** (n / bars) for n in range(1, bars)] + [max(most, ranked[-1])]
    counts = [0] * bars
    bar = 0
    for value in ranked:
        while value > edges[bar]:
            bar += 1
        counts[bar] += 1
    return tuple(Bar(above, upto, n) for above, upto, n in zip([ranked[0], *edges], edges, counts, strict=False))
