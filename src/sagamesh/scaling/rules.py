"""How fast a number of replicas may change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Behavior", "Change", "Policy", "Rules", "limit"]


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `value` replicas, or `value` percent of them, within `period` seconds."""

    kind: Literal["Pods", "Percent"]
    value: int
    period: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one direction.

    - `window`: seconds; the most careful of the recommendations within them counts.
    - `select`: which of the policies counts: the one that allows the largest change, the smallest, or none at all.
    """

    window: float
    policies: tuple[Policy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"


@dataclass(frozen=True, slots=True)
class Behavior:
    """Of both directions."""

    up: Rules
    down: Rules


@dataclass(frozen=True, slots=True)
class Change:
    """Replicas that were added (or, below 0, removed) at a time, in seconds."""

    at: float
    by: int


def limit(rules: Rules, current: int, changes: Sequence[Change], now: float, *, up: bool) -> int:
    """The number that may be reached now: at most for `up`, at least otherwise.

    - `changes`: of the past, as far back as the longest period.
    """
    if rules.select == "Disabled":
        return current
    allowed = [_reach(policy, current, changes, now, up=up) for policy in rules.policies]
    most: Callable[..., int] = max if up == (rules.select == "Max") else min
    reached = most(allowed)
    # What has changed within a period may already be more than its policy allows; it is not taken back.
    return max(reached, current) if up else min(reached, current)


def _reach(policy: Policy, current: int, changes: Sequence[Change], now: float, *, up: bool) -> int:
    before = current - sum(change.by for change in changes if now - change.at < policy.period)
    if policy.kind == "Pods":
        return before + policy.value if up else before - policy.value
    share = policy.value / 100
    return math.ceil(before * (1 + share)) if up else math.floor(before * (1 - share))
