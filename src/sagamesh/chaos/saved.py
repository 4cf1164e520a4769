"""Schedules in files, so that a game day can be had again."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from sagamesh.chaos.schedule import KINDS, Schedule, Targets
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem, field_problems

__all__ = ["read_schedule", "save_schedule"]


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
        InvalidInput: when it cannot be read, or naming each field that is wrong, or target that is not there.
    """
    subject = f"the schedule {path}"
    try:
        schedule = Schedule.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(subject, [FieldProblem(field="", problem=f"cannot be read: {error.strerror}")]) from error
    except ValidationError as error:
        raise InvalidInput(subject, field_problems(error)) from None
    wrong = [
        FieldProblem(field=f"faults[{n}].target", problem=f"nothing to {fault.kind} is called {fault.target!r}")
        for n, fault in enumerate(schedule.faults)
        if fault.target not in targets.of(fault.kind)
    ]
    wrong += [
        FieldProblem(field=f"faults[{n}].rule", problem=f"a fault of kind {fault.kind} needs one")
        for n, fault in enumerate(schedule.faults)
        if fault.rule is None and fault.kind in ("delay", "error", "lose-answer")
    ]
    if wrong:
        raise InvalidInput(subject, wrong)
    return schedule
