"""What is left of an error after its way through the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio import exceptions

__all__ = ["Failure", "FieldError", "FieldProblem", "UndoneStep", "failure_of", "field_problems"]


class FieldError(ValueError):
    """Raised by a model's own validator to name the field at fault, where the model as a whole was looked at."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(problem)


class FieldProblem(BaseModel):
    """One field of an input that was refused: where (`lines[0].quantity`) and why."""

    model_config = ConfigDict(frozen=True)

    field: str
    problem: str

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" if self.field else self.problem


class UndoneStep(BaseModel):
    """One step of a saga that was undone, or that an operator took care of.

    `outcome` is `undone`, `skipped` or `resolved`; the last two carry who decided and why.
    """

    model_config = ConfigDict(frozen=True)

    step: str
    outcome: str
    by: str = ""
    reason: str = ""

    def __str__(self) -> str:
        if not self.by:
            return f"{self.step} {self.outcome}"
        return f"{self.step} {self.outcome} by {self.by} ({self.reason})"


class Failure(BaseModel):
    """Why something failed.

    - `type`: the name of the error, such as `OutOfStock`, `TimeoutError` or `InvalidInput`.
    - `message`: one sentence for people.
    - `step`: the capability that failed, `<agent>.<capability>`; empty when the task itself refused.
    - `details`: the error's own figures.
    - `fields`: for a refused input, each problem.
    - `undone`: for a saga, what was undone, in the order in which it happened.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    message: str
    step: str = ""
    details: dict[str, Any] = {}
    fields: tuple[FieldProblem, ...] = ()
    undone: tuple[UndoneStep, ...] = ()

    @property
    def sentence(self) -> str:
        """What failed where, and what was undone, without the type."""
        where = f"{self.step}: " if self.step else ""
        undone = f"; {', '.join(map(str, self.undone))}" if self.undone else ""
        return f"{where}{self.message}{undone}"

    def __str__(self) -> str:
        return f"{self.type}: {self.sentence}"


def failure_of(error: BaseException) -> Failure:
    """Read an error as the engine delivers it: wrapped in activity, child or client errors, the cause innermost.

    An error that already carries a `Failure` (a task's own) gives that one back.
    """
    step = ""
    cause: BaseException | None = error
    current = error
    while cause is not None:
        current = cause
        if isinstance(current, exceptions.ActivityError):
            step = step or current.activity_type
        if isinstance(current, exceptions.ApplicationError):
            carried = _carried(current)
            if carried is not None:
                return carried
            if current.type and not isinstance(current.__cause__, exceptions.FailureError):
                break
        cause = _cause(current)
    return _leaf(current, step)


def field_problems(error: ValidationError, *, root: str = "") -> tuple[FieldProblem, ...]:
    """Name each field that pydantic refused, in the way a JSON author writes it: `lines[0].sku`."""
    found = []
    for item in error.errors(include_url=False, include_input=False):
        path = root
        for part in item["loc"]:
            path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, FieldError):
            path = f"{path}.{cause.field}" if path else cause.field
        found.append(FieldProblem(field=path, problem=item["msg"].removeprefix("Value error, ")))
    return tuple(found)


def _cause(error: BaseException) -> BaseException | None:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else None


def _carried(error: exceptions.ApplicationError) -> Failure | None:
    for detail in error.details:
        if isinstance(detail, Failure):
            return detail
        if isinstance(detail, Mapping) and "type" in detail and "message" in detail:
            return Failure.model_validate(detail)
    return None


def _leaf(error: BaseException, step: str) -> Failure:
    if isinstance(error, exceptions.ApplicationError):
        details = next((dict(d) for d in error.details if isinstance(d, Mapping)), {})
        fields = tuple(FieldProblem.model_validate(f) for f in details.pop("fields", ()))
        return Failure(
            type=error.type or "ApplicationError", message=error.message, step=step, details=details, fields=fields
        )
    if isinstance(error, exceptions.TimeoutError):
        kind = error.type.name.lower().replace("_", " ") if error.type else "unknown"
        return Failure(type="TimeoutError", message=f"no answer in time ({kind} timeout)", step=step)
    if isinstance(error, exceptions.FailureError):
        return Failure(type=type(error).__name__, message=error.message, step=step)
    return Failure(type=type(error).__name__, message=str(error), step=step)
