"""Which attempts of a call were real: those that a breaker refused do not count against the policy.

The engine counts all. So the refused ones are noted in the details of a heartbeat, which the engine hands on from one
attempt to the next, after those of the implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sagamesh.policy import Retry

__all__ = ["Attempts", "marked", "pause", "read_attempts", "unmarked"]

_MARK: Final = "sagamesh.refused"


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts of one call, including the one that begins. `refused`: those in which nothing was called."""

    all: int
    refused: int

    @property
    def real(self) -> int:
        """The number of this attempt among those that count."""
        return self.all - self.refused


def read_attempts(attempt: int, details: Sequence[Any]) -> Attempts:
    """What the engine knows of a call at the beginning of an attempt."""
    refused = details[-1][_MARK] if _is_mark(details) else 0
    return Attempts(attempt, refused if isinstance(refused, int) and 0 <= refused < attempt else 0)


def marked(details: Sequence[Any], refused: int) -> tuple[Any, ...]:
    """Details of a heartbeat, with the number of refused attempts where there were any."""
    own = unmarked(details)
    return (*own, {_MARK: refused}) if refused else own


def unmarked(details: Sequence[Any]) -> tuple[Any, ...]:
    """The implementation's own part of the details."""
    return tuple(details[:-1] if _is_mark(details) else details)


def pause(retry: Retry, real: int) -> timedelta:
    """The policy's pause after so many real attempts."""
    seconds = retry.first.total_seconds()
    most = retry.most.total_seconds()
    for _ in range(real - 1):
        seconds = min(seconds * retry.factor, most)
        if seconds >= most:
            break
    return timedelta(seconds=min(seconds, most))


def _is_mark(details: Sequence[Any]) -> bool:
    return bool(details) and isinstance(details[-1], dict) and set(details[-1]) == {_MARK}
