"""What a load has come to so far."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from sagamesh.load.sender import Ending

__all__ = ["Mismatch", "Tally"]

_MOST_MISMATCHES = 50


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A task that ended in another way than its entry says."""

    id: str
    kind: str
    expected: tuple[str, ...]
    outcome: str
    message: str

    def __str__(self) -> str:
        expected = " or ".join(self.expected)
        return f"{self.id} ({self.kind}): should be {expected}, is {self.outcome}: {self.message or 'no message'}"


@dataclass(slots=True)
class Tally:
    """Counts of a load, and every latency: eight bytes a task, so the percentiles are exact.

    - `sent`: tasks begun; `running`: those of them without an end.
    - `found`: tasks that had been started before, with the same ids; they are in no latency.
    - `outcomes`: how often each kind ended in which way, by (kind, outcome).
    - `mismatches`: the first of those that did not end as they should; `wrong`: how many there are.
    - `slack`: the longest time, in seconds, by which the load itself began a task too late.
    """

    sent: int = 0
    running: int = 0
    found: int = 0
    wrong: int = 0
    slack: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    mismatches: list[Mismatch] = field(default_factory=list)
    latencies: array[float] = field(default_factory=lambda: array("d"))

    @property
    def ended(self) -> int:
        """Tasks whose waiting is over."""
        return self.sent - self.running

    def begin(self, late: float) -> None:
        """Count a task that is sent, `late` seconds after it was meant to be."""
        self.sent += 1
        self.running += 1
        self.slack = max(self.slack, late)

    def end(self, id: str, kind: str, expected: tuple[str, ...], ending: Ending, latency: float) -> None:
        """Count a task whose waiting is over, `latency` seconds after it was meant to be sent."""
        self.running -= 1
        self.outcomes[kind, ending.outcome] += 1
        if ending.found:
            self.found += 1
        elif ending.ended:
            self.latencies.append(latency)
        if ending.outcome not in expected:
            self.wrong += 1
            if len(self.mismatches) < _MOST_MISMATCHES:
                self.mismatches.append(Mismatch(id, kind, expected, ending.outcome, ending.message))
