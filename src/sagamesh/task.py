"""A task: a durable multi-agent job, as its callers see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from temporalio.common import SearchAttributePair

from sagamesh.agent import Agent
from sagamesh.attributes import AGENTS, CUSTOMER, STATUS
from sagamesh.errors import DefinitionError, InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.message import check_models
from sagamesh.status import Stage

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
    - `uses`: the agents that it may call, for the search attribute and the topology picture.
    - `title`: one line about an input, for the Web UI. Never encrypted, so no personal data in it.
    - `customer`: the field of the input that says whose task it is (an opaque id, it is never encrypted); empty for
      none.
    """

    name: str
    takes: type[In]
    returns: type[Out]
    queue: str
    uses: tuple[Agent, ...] = ()
    customer: str = ""
    title: Callable[[In], str] | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.queue:
            raise DefinitionError("a task needs a name and a queue")
        check_models(f"task {self.name}", takes=self.takes, returns=self.returns)
        if self.customer and self.customer not in self.takes.model_fields:
            raise DefinitionError(f"task {self.name}: {self.takes.__name__} has no field {self.customer!r}")

    def __repr__(self) -> str:
        return f"Task({self.name}: {self.takes.__name__} -> {self.returns.__name__})"

    def attributes(self, arg: In) -> tuple[SearchAttributePair[Any], ...]:
        """The search attributes with which a task of this input begins."""
        pairs: list[SearchAttributePair[Any]] = [SearchAttributePair(STATUS, Stage.RUNNING.value)]
        if self.uses:
            pairs.append(SearchAttributePair(AGENTS, [agent.name for agent in self.uses]))
        if self.customer:
            pairs.append(SearchAttributePair(CUSTOMER, str(getattr(arg, self.customer))))
        return tuple(pairs)


def check_task_id(task_id: str) -> str:
    """Return the id, or refuse it.

    Raises:
        InvalidInput: unless it is 1 to 200 letters, digits and `. _ : @ + -`, and begins with a letter or digit.
    """
    if _ID.fullmatch(task_id) and len(task_id) <= _LONGEST_ID:
        return task_id
    shown = task_id if len(task_id) <= 60 else task_id[:57] + "..."
    problem = f"{shown!r} must be 1 to {_LONGEST_ID} letters, digits or . _ : @ + - and begin with a letter or digit"
    raise InvalidInput("the task", [FieldProblem(field="id", problem=problem)])
