"""Schedules in files, so that a game day can be had again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sagamesh.chaos.schedule import KINDS, Fault, Schedule, Targets
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem, field_problems

__all__ = ["read_schedule", "save_schedule"]

_ROUNDED: Final = 0.2
"""Seconds by which a fault may be over late, because its times are rounded."""


def save_schedule(schedule: Schedule, folder: Path) -> Path:
    """Write it into the folder of a stack; returns the file.

    Raises:
        OSError: when it cannot be written.
    """
    kinds = {fault.kind for fault in schedule.faults}
    only = "" if len(kinds) == len(KINDS) else "".join(f"-{kind}" for kind in KINDS if kind in kinds)
    path = folder / "chaos" / f"seed-{schedule.seed}-{schedule.minutes:g}-minutes{only}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(schedule.model_dump_json(indent=1), encoding="utf-8")
    return path


def read_schedule(path: Path, targets: Targets) -> Schedule:
    """The schedule of a file, for a stack with these targets.

    Raises:
        InvalidInput: when it cannot be read, has no fault, or naming each field that is wrong, or target that is not
            there.
    """
    subject = f"the schedule {path}"
    try:
        schedule = Schedule.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(subject, [FieldProblem(field="", problem=f"cannot be read: {error.strerror}")]) from error
    except ValidationError as error:
        raise InvalidInput(subject, field_problems(error)) from None
    wrong = [] if schedule.faults else [FieldProblem(field="faults", problem="there are none, which proves nothing")]
    began = 0.0
    for n, fault in enumerate(schedule.faults):
        problems = (*_problems(fault, targets), *_times(fault, began, schedule.minutes * 60))
        wrong += [FieldProblem(field=f"faults[{n}].{field}", problem=problem) for field, problem in problems]
        began = max(began, fault.at)
    if wrong:
        raise InvalidInput(subject, wrong)
    return schedule


def _problems(fault: Fault, targets: Targets) -> Iterator[tuple[str, str]]:
    """What a fault would hurt, and how, that it cannot: field and problem."""
    if fault.target not in targets.of(fault.kind):
        yield "target", f"nothing to {fault.kind} is called {fault.target!r}"
    rule = fault.rule
    match fault.kind:
        case "kill" | "pause" | "lock":
            if rule is not None:
                yield "rule", f"a fault of kind {fault.kind} has none"
            return
        case "delay":
            does = rule is not None and rule.delay > 0
        case "error":
            does = rule is not None and bool(rule.error) and not rule.lose_answer
        case "lose-answer":
            does = rule is not None and rule.lose_answer
    if rule is None:
        yield "rule", f"a fault of kind {fault.kind} needs one"
        return
    if not does:
        yield "rule", f"it does not do what a fault of kind {fault.kind} does"
    if rule.capability != fault.target:
        yield "rule.capability", f"must be the target, {fault.target!r}, and is {rule.capability!r}"


def _times(fault: Fault, began: float, end: float) -> Iterator[tuple[str, str]]:
    """What is wrong with when it happens; the faults before it have begun by `began`."""
    if fault.at < began:
        yield "at", f"the one before it begins later, at {began:g} s"
    if fault.end > end + _ROUNDED:
        yield "at", f"it ends after {fault.end:g} s, and the schedule after {end:g} s"
