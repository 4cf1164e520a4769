"""A task: a durable multi-agent job, as its callers see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from sagamesh.errors import DefinitionError, InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["Task", "check_task_id"]

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)

# A task's id becomes part of idempotency keys, Message-IDs, URLs and file names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*")
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True, eq=False)
class Task(Generic[In, Out]):
    """The contract of a task: its type name, what it takes, what it returns, where it runs.

    - `name`: the workflow type name, by which any Temporal SDK starts it.
    - `queue`: the task queue of the pool that hosts it.
    """

    name: str
    takes: type[In]
    returns: type[Out]
    queue: str
    summary: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.queue:
            raise DefinitionError("a task needs a name and a queue")
        for word, model in (("takes", self.takes), ("returns", self.returns)):
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                raise DefinitionError(f"task {self.name}: {word} must be a pydantic model, not {model!r}")

    def __repr__(self) -> str:
        return f"Task({self.name}: {self.takes.__name__} -> {self.returns.__name__})"


def check_task_id(task_id: str) -> str:
    """Return the id, or refuse it.

    Raises:
        InvalidInput: unless it is 1 to 200 letters, digits and `. _ : @ + -`, and begins with a letter or digit.
    """
    if _ID.fullmatch(task_id) and len(task_id) <= _LONGEST_ID:
        return task_id
    shown = task_id if len(task_id) <= 60 else task_id[:57] + "..."
    problem = (
        f"{shown!r} must be 1 to {_LONGEST_ID} letters, digits or . _ : @ + - and begin with a letter or digit"
    )
    raise InvalidInput("the task", [FieldProblem(field="id", problem=problem)])
