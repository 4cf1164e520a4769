"""Which faults a call gets: a pure decision, the same for the same seed, call and attempt."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sagamesh.failure import FieldError

__all__ = ["INJECTED", "Injection", "Rule", "Rules"]

INJECTED: Final = "InjectedFault"
"""The type of an injected error, unless its rule names another."""

_LONGEST_DELAY: Final = 3600
_DRAWS: Final = 2**64


class Rule(BaseModel):
    """One kind of fault.

    - `capability`: which calls, `<agent>.<capability>`; `*` and `?` as in file names.
    - `share`: of which share of the attempts, above 0, at most 1.
    - `attempts`: only the first so many attempts of a call; None for all.
    - `delay`: seconds that pass before the implementation is called.
    - `error`: the type of an error that the attempt ends with; empty for none.
    - `message`: what the error says.
    - `final`: whether the engine does not try again after it.
    - `lose_answer`: the implementation is called first, and the attempt fails although its effect has happened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    capability: Annotated[str, Field(min_length=1, max_length=200)]
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    attempts: Annotated[int, Field(ge=1)] | None = None
    delay: Annotated[float, Field(ge=0, le=_LONGEST_DELAY, allow_inf_nan=False)] = 0.0
    error: Annotated[str, Field(max_length=100)] = ""
    message: Annotated[str, Field(max_length=1000)] = ""
    final: bool = False
    lose_answer: bool = False

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.delay or self.error or self.lose_answer):
            raise FieldError("delay", "a rule needs a delay, an error, or lose_answer")
        if self.final and not self.error:
            raise FieldError("final", "is about an error; name its type in `error`")
        if self.message and not (self.error or self.lose_answer):
            raise FieldError("message", "is about an error; name its type in `error`")
        return self

    def strikes(self, seed: int, capability: str, key: str, attempt: int) -> bool:
        """Whether this attempt of this call gets the fault."""
        if not fnmatchcase(capability, self.capability):
            return False
        if self.attempts is not None and attempt > self.attempts:
            return False
        if self.share >= 1:
            return True
        # Of the rule itself, not of its place in the file: adding a rule must not change what the others do.
        drawn = blake2b(f"{seed}/{self!r}/{capability}/{key}/{attempt}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn) < self.share * _DRAWS


@dataclass(frozen=True, slots=True)
class Injection:
    """What happens to one attempt.

    - `delay`: seconds before the implementation is called.
    - `error`: type of the error that it ends with, empty for none; `message` and `final` as in `Rule`.
    - `lose_answer`: whether the implementation is called before that error.
    """

    delay: float = 0.0
    error: str = ""
    message: str = ""
    final: bool = False
    lose_answer: bool = False


class Rules(BaseModel):
    """The rules of a file: `{"seed": 7, "rules": [{"capability": "payment.*", "delay": 2, "share": 0.1}]}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    rules: Annotated[tuple[Rule, ...], Field(max_length=1000)] = ()

    def injection(self, capability: str, key: str, attempt: int) -> Injection | None:
        """What happens to this attempt; None for nothing. Delays add up; of the errors the first rule's counts."""
        struck = [rule for rule in self.rules if rule.strikes(self.seed, capability, key, attempt)]
        if not struck:
            return None
        delay = sum(rule.delay for rule in struck)
        failing = next((rule for rule in struck if rule.error or rule.lose_answer), None)
        if failing is None:
            return Injection(delay=delay)
        told = "its answer was lost" if failing.lose_answer else "it was not called"
        return Injection(
            delay=delay,
            error=failing.error or INJECTED,
            message=failing.message or f"a fault was injected into {capability}: {told}",
            final=failing.final,
            lose_answer=failing.lose_answer,
        )
