"""What is left of an error after its way through the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json
from temporalio import exceptions

__all__ = ["Failure", "FieldError", "FieldProblem", "UndoneStep", "failed", "failure_of", "field_problems", "small"]

# What the engine cannot store it refuses for ever, and the task never ends. So whatever comes from outside is cut: an
# agent may answer with a service's whole error page, and a body of megabytes may be wrong in every line.
_MOST_TEXT = 2_000
_MOST_FIELD_TEXT = 300
_MOST_FIELDS = 20
_MOST_DETAILS = 16_000
_LARGEST_CAUSE = 64_000


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


def failed(failure: Failure) -> exceptions.ApplicationError:
    """The error with which a task or a step ends: typed, readable, and carrying the whole failure for programs."""
    details = failure.model_dump(mode="json", fallback=str)
    return exceptions.ApplicationError(failure.sentence, details, type=failure.type, non_retryable=True)


def small(error: BaseException) -> BaseException | None:
    """The error, to be shown as the cause of another; None when it and its own causes are too large to be stored."""
    size = 0
    link: BaseException | None = error
    while link is not None:
        stored = link.failure if isinstance(link, exceptions.FailureError) else None
        if stored is not None:  # as the engine delivered it, causes and all
            size += stored.ByteSize()
            break
        details = link.details if isinstance(link, exceptions.ApplicationError) else ()
        size += len(str(link)) + len(to_json(details, fallback=str))
        link = link.__cause__
    return error if size <= _LARGEST_CAUSE else None


def failure_of(error: BaseException) -> Failure:
    """Read an error as the engine delivers it: wrapped in activity, child or client errors, the cause innermost.

    An error that already carries a `Failure` (a task's own) gives that one back. Agents may be written in any language
    and put anything into an error's details, so those are only taken for what they are when they have that shape.
    """
    step = ""
    cause: BaseException | None = error
    current = error
    while cause is not None:
        current = cause
        if isinstance(current, exceptions.ActivityError):
            step = step or current.activity_type
        if isinstance(current, exceptions.ApplicationError):
            # What an agent raises is the agent's, even where its details look like this.
            carried = None if step else _carried(current)
            if carried is not None:
                return carried
            if current.type and not isinstance(current.__cause__, exceptions.FailureError):
                break
        cause = _cause(current)
    return _leaf(current, step)


def field_problems(error: ValidationError, *, root: str = "") -> tuple[FieldProblem, ...]:
    """Name each field that pydantic refused, in the way a JSON author writes it: `lines[0].sku`.

    At most twenty are named; the last entry then says how many more there are.
    """
    found = []
    told = _told(error)
    for item in told[:_MOST_FIELDS]:
        path = root
        for part in item["loc"]:
            path += f"[{part}]" if isinstance(part, int) else (f".{part}" if path else str(part))
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, FieldError):
            path = f"{path}.{cause.field}" if path else cause.field
        problem = item["msg"].removeprefix("Value error, ")
        found.append(FieldProblem(field=_cut(path, _MOST_FIELD_TEXT), problem=_cut(problem, _MOST_FIELD_TEXT)))
    more = len(told) - len(found)
    if more:
        found.append(FieldProblem(field="", problem=f"and {more:,} more"))
    return tuple(found)


def _told(error: ValidationError) -> list[ErrorDetails]:
    """Pydantic's errors without its echoes: a list of which an item is wrong is not also too short."""
    items = error.errors(include_url=False, include_input=False)
    short = {item["loc"] for item in items if item["type"] == "too_short"}
    lengths = {len(loc) for loc in short}
    # By lengths: an input may be wrong in tens of thousands of places, and a workflow has two seconds to say so.
    within = {item["loc"][:n] for item in items for n in lengths if n < len(item["loc"])}
    return [item for item in items if item["type"] != "too_short" or item["loc"] not in within]


def _cause(error: BaseException) -> BaseException | None:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else None


def _carried(error: exceptions.ApplicationError) -> Failure | None:
    for detail in error.details:
        if isinstance(detail, Failure):
            return detail
        if isinstance(detail, Mapping) and "type" in detail and "message" in detail:
            try:
                return Failure.model_validate(detail)
            except ValidationError:
                return None  # somebody else's details
    return None


_FIELDS: TypeAdapter[tuple[FieldProblem, ...]] = TypeAdapter(tuple[FieldProblem, ...])


def _leaf(error: BaseException, step: str) -> Failure:
    if isinstance(error, exceptions.ApplicationError):
        details = next((dict(d) for d in error.details if isinstance(d, Mapping)), {})
        fields: tuple[FieldProblem, ...] = ()
        try:
            fields = _FIELDS.validate_python(details["fields"])[: _MOST_FIELDS + 1]
            del details["fields"]
        except (KeyError, ValidationError):
            pass  # none, or somebody else's: they stay with the details
        return Failure(
            type=_cut(error.type or "ApplicationError", _MOST_FIELD_TEXT),
            message=_cut(error.message, _MOST_TEXT),
            step=step,
            details=_within(details),
            fields=fields,
        )
    if isinstance(error, exceptions.TimeoutError):
        kind = error.type.name.lower().replace("_", " ") if error.type else "unknown"
        return Failure(type="TimeoutError", message=f"no answer in time ({kind} timeout)", step=step)
    if isinstance(error, exceptions.FailureError):
        return Failure(type=type(error).__name__, message=_cut(error.message, _MOST_TEXT), step=step)
    message = _cut(str(error), _MOST_TEXT) or "no further explanation"
    return Failure(type=type(error).__name__, message=message, step=step)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most:,} more characters)"


def _within(details: Mapping[Any, Any]) -> dict[str, Any]:
    """The details that are small enough, in their order, and the names of those that are not as `omitted`."""
    kept: dict[str, Any] = {}
    omitted = []
    left = _MOST_DETAILS
    for key, value in details.items():
        name = _cut(str(key), _MOST_FIELD_TEXT)
        size = len(name) + len(to_json(value, fallback=str))
        if size <= left:
            kept[name] = value
            left -= size
        else:
            omitted.append(name)
    return kept | ({"omitted": omitted[:_MOST_FIELDS]} if omitted else {})
