"""What a load came to, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagamesh.load.figures import Figures, drift
from sagamesh.load.generator import Generator
from sagamesh.load.tally import Mismatch

__all__ = ["Report", "picture"]

_WIDTH = 50
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Report:
    """The whole result.

    - `prefix` and `seed` repeat the load; the tasks' ids are `<prefix>-<n>`.
    - `running`: tasks that nobody waits for any more, although they have not ended.
    - `took`: seconds from the first start to the last end; `throughput`: ends a second over that time.
    - `drift`: median latency of the first tenth of the tasks, and of the last; None for fewer than a hundred.
    - `outcomes`: kind to outcome to count.
    - `mismatches`: the first tasks that did not end as their entry says; `wrong`: how many there are.
    - `slack`: the longest time, in seconds, by which the load itself was late to send; above the latencies it measured
      itself, not the mesh.
    - `violations`: what the project's check found; None when there was no check.
    - `stopped`: whether somebody ended it early.
    """

    task: str
    prefix: str
    seed: int
    sent: int
    running: int
    found: int
    took: float
    throughput: float
    latency: Figures
    drift: tuple[float, float] | None
    outcomes: dict[str, dict[str, int]]
    wrong: int
    mismatches: tuple[Mismatch, ...]
    slack: float
    violations: tuple[str, ...] | None
    stopped: bool

    @classmethod
    def of(cls, generator: Generator, *, task: str, prefix: str, seed: int, violations: Sequence[str] | None) -> Report:
        """The result of a load that is over."""
        tally = generator.tally
        outcomes: dict[str, dict[str, int]] = {}
        for (kind, outcome), count in sorted(tally.outcomes.items()):
            outcomes.setdefault(kind, {})[outcome] = count
        return cls(
            task=task,
            prefix=prefix,
            seed=seed,
            sent=tally.sent,
            running=tally.running,
            found=tally.found,
            took=generator.took,
            throughput=len(tally.latencies) / generator.took if generator.took else 0.0,
            latency=Figures.of(tally.latencies),
            drift=drift(tally.latencies),
            outcomes=outcomes,
            wrong=tally.wrong,
            mismatches=tuple(tally.mismatches),
            slack=tally.slack,
            violations=None if violations is None else tuple(violations),
            stopped=generator.stopped,
        )

    @property
    def right(self) -> bool:
        """Whether every task ended as it should, and the check found nothing."""
        return not self.wrong and not self.violations and not self.running


def picture(figures: Figures) -> list[str]:
    """The histogram, a line for each bar: from which latency to which, how many, and a bar of that length."""
    most = max((bar.count for bar in figures.bars), default=0)
    lines = []
    for bar in figures.bars:
        whole, part = divmod(round(bar.count / most * _WIDTH * 8), 8)
        drawn = "█" * whole + (_EIGHTHS[part] if part else "")
        # What is rare is what matters here: a bar that is there at all is seen.
        lines.append(
            f"{_time(bar.above):>8} - {_time(bar.upto):<8} {bar.count:>7,} {drawn or ('▏' if bar.count else '')}"
        )
    return lines


def _time(seconds: float) -> str:
    if seconds >= 100:
        return f"{seconds:.0f} s"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.3g} ms"
