"""Whether a new version does as well as the old one: a decision over figures, nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final

__all__ = ["Figures", "Judgement", "Limits", "Verdict", "judge"]

_CHANCE: Final = 0.05
"""A difference that chance alone would make more often than this is none."""

_TIMES: Final = 10
"""How many durations of each version a median needs."""

_NOISE: Final = 0.1
"""Seconds. A difference below it is not felt, however many times one is of the other."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of one version's tasks or calls.

    - `ended`, `failed`: how many, and how many of those badly.
    - `seconds`: how long those took that ended well.
    - `broken`: open ones whose own code fails, again and again, so that they never end.
    """

    ended: int = 0
    failed: int = 0
    seconds: tuple[float, ...] = ()
    broken: int = 0

    @property
    def rate(self) -> float:
        """The share that failed, 0 to 1."""
        return self.failed / self.ended if self.ended else 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a new version must keep to.

    - `least`: so many must have ended on it before it is judged.
    - `errors`: by how much its share of failures may exceed the old one's, 0 to 1.
    - `slower`: how many times the old one's median it may take.
    """

    least: int = 0
    errors: float = 0.05
    slower: float = 1.5


class Judgement(StrEnum):
    """`early`: too little has ended to say."""

    GOOD = "good"
    EARLY = "early"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement with its reason."""

    judgement: Judgement
    reason: str


def judge(old: Figures, new: Figures, limits: Limits) -> Verdict:
    """Judge a new version by the old one's figures of the same time.

    Failures count against it when they exceed the limit by more than chance explains: with few of them a difference
    means nothing. The test is Fisher's, one-sided; without an old version, whether the limit alone explains them.
    """
    if new.broken:
        return Verdict(Judgement.BAD, f"the code of {new.broken} of its open tasks fails again and again")
    if new.rate - old.rate > limits.errors and _chance(old, new, limits.errors) < _CHANCE:
        return Verdict(Judgement.BAD, f"{_failures(new)}, the old version {_failures(old)}")
    if new.ended < limits.least:
        return Verdict(Judgement.EARLY, f"{new.ended} of {limits.least} that are needed have ended")
    if min(len(old.seconds), len(new.seconds)) >= _TIMES:
        before, now = median(old.seconds), median(new.seconds)
        if now > before * limits.slower and now - before > _NOISE:
            return Verdict(
                Judgement.BAD, f"takes {now:.2f} s (median of {len(new.seconds)}), the old version {before:.2f} s"
            )
    return Verdict(Judgement.GOOD, _failures(new))


def _failures(figures: Figures) -> str:
    return f"{figures.failed} of {figures.ended} failed" if figures.ended else "nothing has ended on it"


def _chance(old: Figures, new: Figures, allowed: float) -> float:
    """How often chance would give the new version as many failures, were it no worse."""
    if not old.ended:
        return sum(
            math.comb(new.ended, failed) * allowed**failed * (1 - allowed) ** (new.ended - failed)
            for failed in range(new.failed, new.ended + 1)
        )
    everything, failures = old.ended + new.ended, old.failed + new.failed
    ways = sum(
        math.comb(failures, failed) * math.comb(everything - failures, new.ended - failed)
        for failed in range(new.failed, min(failures, new.ended) + 1)
    )
    return ways / math.comb(everything, new.ended)
