"""Rates in calls a second: which are possible, and what to change on the server so that a declared one holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["OURS", "Change", "RateInForce", "needed_change", "rate_problem"]

OURS: Final = "sagamesh: tenant_rate of the contract"
"""The reason with which a tenant rate is set, by which it is known again."""

_SMALLEST_STEP: Final = 1e-6
"""Relative. The server keeps rates as 32-bit floats."""


@dataclass(frozen=True, slots=True)
class RateInForce:
    """What the server keeps: calls a second, and why it was set."""

    rate: float
    reason: str


@dataclass(frozen=True, slots=True)
class Change:
    """What to tell the server: this rate, or None for no limit any more."""

    rate: float | None


def rate_problem(rate: float | None) -> str | None:
    """What is wrong with a declared rate; None for nothing."""
    if rate is None or 0 < rate < math.inf:
        return None
    return f"must be more than 0 calls a second, not {rate:g}"


def needed_change(declared: float | None, now: RateInForce | None) -> Change | None:
    """What makes the server keep what the contract declares; None for nothing.

    A limit that somebody else set is left alone where the contract declares none: an operator may have had a reason.
    """
    if declared is None:
        return Change(None) if now is not None and now.reason == OURS else None
    if now is not None and math.isclose(now.rate, declared, rel_tol=_SMALLEST_STEP):
        return None
    return Change(declared)
