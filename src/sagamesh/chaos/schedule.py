"""Which faults happen when: a pure decision, the same for the same seed, length and targets."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.faults import Rule

__all__ = ["KINDS", "Fault", "Kind", "Schedule", "Targets", "schedule"]

Kind: TypeAlias = Literal["kill", "pause", "lock", "delay", "error", "lose-answer"]

KINDS: Final[tuple[Kind, ...]] = ("kill", "pause", "lock", "delay", "error", "lose-answer")

_SHARES: Final[Mapping[Kind, int]] = {"kill": 3, "pause": 2, "lock": 1, "delay": 1, "error": 1, "lose-answer": 1}
"""How many of a round of faults are of each kind. Kills are what happens most, and what is hardest."""

_GAP: Final = (2.0, 8.0)
"""Seconds between the beginnings of two faults."""

_LENGTHS: Final[Mapping[Kind, tuple[float, float]]] = {
    "kill": (0.0, 0.0),
    # Longer than most attempts of a call may take: what was given up goes on when the process does.
    "pause": (2.0, 12.0),
    # Longer and shorter than a transaction waits for a lock.
    "lock": (2.0, 8.0),
    "delay": (5.0, 15.0),
    "error": (5.0, 15.0),
    "lose-answer": (5.0, 15.0),
}

_REST: Final = 30.0
"""Seconds for which a process is left alone after a kill: a supervisor waits ever longer for what dies young."""

_ATTEMPTS: Final = 2
"""Injected errors strike so many attempts of a call at most: fewer than any capability tries, so that the calls of a
right system end well."""


class Fault(BaseModel):
    """One fault.

    - `at`: seconds from the beginning.
    - `target`: a process (kill, pause), a database (lock), or a capability (the others).
    - `seconds`: how long it lasts; 0 for a kill.
    - `rule`: for faults in calls, what is injected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    kind: Kind
    target: Annotated[str, Field(min_length=1)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    rule: Rule | None = None

    @property
    def end(self) -> float:
        """When it is over, in seconds from the beginning."""
        return self.at + self.seconds

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        share = f", {self.rule.share:.0%} of the calls" if self.rule is not None else ""
        slow = f" by {self.rule.delay:g} s" if self.rule is not None and self.rule.delay else ""
        return f"{self.kind} {self.target}{slow}{lasting}{share}"


class Schedule(BaseModel):
    """What a game day does: its faults in the order in which they begin, and the seed that also feeds their rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    minutes: Annotated[float, Field(gt=0, le=24 * 60, allow_inf_nan=False)]
    faults: tuple[Fault, ...]

    @property
    def end(self) -> float:
        """When the last fault is over, in seconds from the beginning."""
        return max((fault.end for fault in self.faults), default=0.0)


@dataclass(frozen=True, slots=True)
class Targets:
    """What there is to hurt, by name: processes, databases, capabilities."""

    processes: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()

    def of(self, kind: Kind) -> tuple[str, ...]:
        """The targets that this kind of fault can have."""
        if kind in ("kill", "pause"):
            return self.processes
        return self.databases if kind == "lock" else self.capabilities


def schedule(seed: int, minutes: float, targets: Targets, kinds: Sequence[Kind] = KINDS) -> Schedule:
    """Faults for so many minutes. All are over by then.

    Kinds come in rounds, and the targets of each kind in rounds, so that everything has its turn. A target has one
    fault at a time, and a killed process is left alone for half a minute.

    Raises:
        InvalidInput: when none of the kinds has a target, or the time is too short for any fault.
    """
    usable: list[Kind] = [kind for kind in KINDS if kind in kinds and targets.of(kind)]
    if not usable:
        raise InvalidInput("the chaos", [FieldProblem(field="kinds", problem=f"{', '.join(kinds)}: nothing to hurt")])
    dice = Random(f"{seed}/{float(minutes)}")  # noqa: S311 - it must be repeatable, not secret
    rounds = _rounds(dice, [kind for kind in usable for _ in range(_SHARES[kind])])
    decks = {kind: _Deck(dice, targets.of(kind)) for kind in usable}
    free_from: dict[tuple[str, str], float] = {}
    faults: list[Fault] = []
    end = minutes * 60
    at = dice.uniform(*_GAP)
    while at < end:
        kind = next(rounds)
        seconds = min(round(dice.uniform(*_LENGTHS[kind]), 1), round(end - at, 1))
        hurt = _hurt(kind)
        target = decks[kind].next({name for (each, name), moment in free_from.items() if each == hurt and moment > at})
        share, delay = round(dice.uniform(0.2, 0.8), 2), round(dice.uniform(0.2, 3.0), 1)
        if target is not None and (kind == "kill" or seconds > 0):
            rule = _rule(kind, target, share, delay)
            faults.append(Fault(at=round(at, 1), kind=kind, target=target, seconds=seconds, rule=rule))
            free_from[hurt, target] = at + seconds + (_REST if kind == "kill" else 0.0)
        at += dice.uniform(*_GAP)
    if not faults:
        raise InvalidInput("the chaos", [FieldProblem(field="minutes", problem=f"{minutes:g} is too short")])
    return Schedule(seed=seed, minutes=minutes, faults=tuple(faults))


def _hurt(kind: Kind) -> str:
    """What the names of this kind's targets stand for: a process and a database may have the same."""
    return {"kill": "process", "pause": "process", "lock": "database"}.get(kind, "calls")


def _rule(kind: Kind, capability: str, share: float, delay: float) -> Rule | None:
    match kind:
        case "delay":
            return Rule(capability=capability, share=share, delay=delay)
        case "error":
            return Rule(capability=capability, share=share, attempts=_ATTEMPTS, error="InjectedFault")
        case "lose-answer":
            return Rule(capability=capability, share=share, attempts=_ATTEMPTS, lose_answer=True)
        case "kill" | "pause" | "lock":
            return None


def _rounds(dice: Random, kinds: Sequence[Kind]) -> Iterator[Kind]:
    while True:
        yield from dice.sample(kinds, len(kinds))


class _Deck:
    """Names in a random order; each is dealt once before any is dealt again."""

    def __init__(self, dice: Random, names: Sequence[str]) -> None:
        self._dice = dice
        self._names = list(names)
        self._left: list[str] = []

    def next(self, busy: Container[str]) -> str | None:
        """The next name that is not busy; None when all that are left are."""
        if not self._left:
            self._left = self._dice.sample(self._names, len(self._names))
        for name in self._left:
            if name not in busy:
                self._left.remove(name)
                return name
        return None
