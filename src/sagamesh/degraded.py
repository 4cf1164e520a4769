"""Results that are not what was asked for, and say so."""

from __future__ import annotations

from pydantic import Field

from sagamesh.message import Message

__all__ = ["Degradable", "Degradation"]


class Degradation(Message):
    """Why a result is not the capability's own.

    - `by`: who gave it instead: another capability (`<agent>.<capability>`), `kept` for an earlier result, `default`.
    - `type`, `because`: the failure that made it necessary.
    - `age_seconds`: of a kept result, how old it is.
    """

    by: str
    type: str
    because: str = Field(max_length=2_000)
    age_seconds: float | None = None

    def __str__(self) -> str:
        age = f", {self.age_seconds:.0f} s old" if self.age_seconds is not None else ""
        return f"degraded: by {self.by}{age}, because of {self.type}: {self.because}"


class Degradable(Message):
    """Base of the results of capabilities with a fallback. `degraded` is None for what was really asked for."""

    degraded: Degradation | None = None
