"""What one worker process decides about one breaker. Pure: the time is an input, in seconds of any steady clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias

__all__ = [
    "Admission",
    "Closed",
    "HalfOpen",
    "Open",
    "Outcome",
    "Rule",
    "Sight",
    "State",
    "admit",
    "finish",
    "follow",
    "waits",
]

_PARTS: Final = 10
"""Into how many parts the window of the failure rate is divided. The oldest goes as a whole."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a breaker opens and closes. As `sagamesh.policy.Breaker`, times in seconds.

    - `probe`: how long a probe may run before it is taken for lost.
    """

    failures: int = 5
    recovery: float = 60.0
    rate: float | None = None
    window: float = 60.0
    least: int = 10
    probes: int = 1
    probe: float = 30.0


@dataclass(frozen=True, slots=True)
class Count:
    """Calls that ended in one part of the window."""

    part: int
    calls: int
    failed: int


@dataclass(frozen=True, slots=True)
class Closed:
    """Calls go on. `run`: failures since the last success; `recent`: the window, where a failure rate is declared."""

    run: int = 0
    recent: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """No call is made before `until`. `held`: the fleet's queue was seen to be held since."""

    until: float
    held: bool = False


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """One call at a time is let through. `lost_at`: when the one that runs is given up; None when none runs."""

    succeeded: int = 0
    lost_at: float | None = None
    held: bool = False


State: TypeAlias = Closed | Open | HalfOpen


class Outcome(Enum):
    """How a call ended. `NEUTRAL` says nothing about what was called: the task cancelled it, the worker stopped."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


class Sight(Enum):
    """What the queue's configuration says of this breaker; `FREE` when it says nothing, so nothing is held."""

    FREE = "free"
    OPEN = "open"
    HALF_OPEN = "half-open"
    FORCED = "forced open"


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call may be made.

    - `probe`: it may, and decides what comes next.
    - `wait`: seconds after which to ask again; None when it may be made.
    """

    probe: bool = False
    wait: float | None = None


def admit(rule: Rule, state: State, now: float) -> tuple[State, Admission]:
    """Decide about a call that is about to be made."""
    if isinstance(state, Closed):
        return state, Admission()
    if isinstance(state, Open):
        if now < state.until:
            return state, Admission(wait=waits(rule, state, now))
        return HalfOpen(lost_at=now + rule.probe, held=state.held), Admission(probe=True)
    if state.lost_at is not None and now < state.lost_at:
        return state, Admission(wait=waits(rule, state, now))
    return replace(state, lost_at=now + rule.probe), Admission(probe=True)


def waits(rule: Rule, state: State, now: float) -> float:
    """After how many seconds to ask again: never longer than one recovery, since the fleet may close it earlier."""
    if isinstance(state, Closed):
        return 0.0
    end = state.until if isinstance(state, Open) else state.lost_at
    return max(0.0, min(rule.recovery, math.inf if end is None else end - now))


def finish(rule: Rule, state: State, now: float, outcome: Outcome, *, probe: bool) -> State:
    """Take note of how a call ended.

    Calls that began before it opened say nothing any more: their failures are known, and a success among them may be
    older than the outage.
    """
    if isinstance(state, Closed):
        return _counted(rule, state, now, outcome)
    if isinstance(state, Open) or not probe:
        return state
    if outcome is Outcome.FAILURE:
        return Open(now + rule.recovery, held=state.held)
    if outcome is Outcome.NEUTRAL:
        return replace(state, lost_at=None)
    succeeded = state.succeeded + 1
    return Closed() if succeeded >= rule.probes else replace(state, succeeded=succeeded, lost_at=None)


def follow(rule: Rule, state: State, now: float, sight: Sight) -> State:
    """Take over what the whole fleet does. Until the fleet has acted, the process's own view counts."""
    if sight is Sight.FREE:
        return Closed() if not isinstance(state, Closed) and state.held else state
    if sight is Sight.HALF_OPEN:
        return replace(state, held=True) if isinstance(state, HalfOpen) else HalfOpen(held=True)
    if isinstance(state, HalfOpen) and sight is Sight.OPEN:
        return replace(state, held=True)  # its recovery is over, and what comes through is let through on purpose
    if sight is Sight.FORCED:
        return Open(math.inf, held=True)
    if isinstance(state, Open) and math.isfinite(state.until):
        return replace(state, held=True)
    return Open(now + rule.recovery, held=True)


def _counted(rule: Rule, state: Closed, now: float, outcome: Outcome) -> State:
    if outcome is Outcome.NEUTRAL:
        return state
    failed = outcome is Outcome.FAILURE
    run = state.run + 1 if failed else 0
    recent = _recent(rule, state.recent, now, failed) if rule.rate is not None else ()
    calls, failures = sum(count.calls for count in recent), sum(count.failed for count in recent)
    too_many = rule.rate is not None and calls >= rule.least and failures >= rule.rate * calls
    if failed and (run >= rule.failures or too_many):
        return Open(now + rule.recovery)
    return Closed(run, recent)


def _recent(rule: Rule, counts: tuple[Count, ...], now: float, failed: bool) -> tuple[Count, ...]:
    part = math.floor(now / (rule.window / _PARTS))
    kept = [count for count in counts if part - _PARTS < count.part]
    last = kept.pop() if kept and kept[-1].part == part else Count(part, 0, 0)
    return (*kept, Count(part, last.calls + 1, last.failed + failed))
