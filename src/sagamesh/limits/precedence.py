"""Who comes first where calls have to wait: priority, then fairness between tenants."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from temporalio.common import Priority

__all__ = ["Precedence", "fairness_key", "priority_problem", "weight_problem"]

_LONGEST_KEY: Final = 64
"""Bytes of a tenant's name that the server takes."""

_HASHED: Final = 20
"""Hexadecimal digits by which longer names are told apart."""

_LEAST_WEIGHT: Final = 0.001
_MOST_WEIGHT: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Precedence:
    """What a task, and with it each of its calls, waits by.

    - `priority`: 1 (first) to 5 (last); None for the server's middle, 3.
    - `tenant`: who shares fairly with the others; empty for none (all of these are one tenant).
    - `weight`: the tenant's share against the others'; None for 1.
    """

    priority: int | None = None
    tenant: str = ""
    weight: float | None = None

    def engine_priority(self) -> Priority:
        """The same in the engine's terms. A task's calls have it from the task."""
        if self == Precedence():
            return Priority.default
        return Priority(
            priority_key=self.priority,
            fairness_key=fairness_key(self.tenant) or None,
            fairness_weight=self.weight,
        )


def priority_problem(priority: int | None) -> str | None:
    """What is wrong with a priority; None for nothing."""
    # True and 1.0 are 1 to Python, but not to the server.
    if priority is None or (type(priority) is int and 1 <= priority <= 5):
        return None
    return f"{priority} must be 1 to 5"


def weight_problem(weight: float | None) -> str | None:
    """What is wrong with a weight; None for nothing. The server would quietly take the nearest possible one."""
    if weight is None or _LEAST_WEIGHT <= weight <= _MOST_WEIGHT:
        return None
    return f"{weight:g} must be {_LEAST_WEIGHT:g} to {_MOST_WEIGHT:g}"


def fairness_key(tenant: str) -> str:
    """The tenant's name as the server takes it: a long one is cut and told apart by its hash."""
    encoded = tenant.encode()
    if len(encoded) <= _LONGEST_KEY:
        return tenant
    kept = encoded[: _LONGEST_KEY - _HASHED - 1].decode(errors="ignore")
    return f"{kept}~{hashlib.sha256(encoded).hexdigest()[:_HASHED]}"
