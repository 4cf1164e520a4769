"""What one check of `doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """How bad it is: `warn` may be as it should be, `fail` keeps something from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: what was looked at, what there is, and what to do next."""

    check: str
    level: Level
    message: str
    advice: str = ""

    @classmethod
    def ok(cls, check: str, message: str) -> Finding:
        """All is well."""
        return cls(check, Level.OK, message)

    @classmethod
    def warn(cls, check: str, message: str, advice: str) -> Finding:
        """Worth a look."""
        return cls(check, Level.WARN, message, advice)

    @classmethod
    def fail(cls, check: str, message: str, advice: str) -> Finding:
        """Something does not work because of this."""
        return cls(check, Level.FAIL, message, advice)
