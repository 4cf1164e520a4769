"""A task: a durable multi-agent job, as its callers see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel
from temporalio.common import SearchAttributePair

from sagamesh.agent import Agent
from sagamesh.attributes import AGENTS, CUSTOMER, STATUS
from sagamesh.errors import DefinitionError, InvalidInput
from sagamesh.failure import FieldProblem
from sagamesh.limits.precedence import Precedence, priority_problem, weight_problem
from sagamesh.message import check_models
from sagamesh.status import Stage

__all__ = ["Task", "check_id", "check_no_part", "check_task_id"]

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)

# A task's id becomes part of idempotency keys, Message-IDs, URLs and file names.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*")
_LONGEST_ID = 200

# The framework finds the keepers of breakers and locks by such ids: whatever else had one would take their place.
_RESERVED: Final = "sagamesh."


@dataclass(frozen=True, slots=True, eq=False)
class Task(Generic[In, Out]):
    """The contract of a task: its type name, what it takes, what it returns, where it runs.

    - `name`: the workflow type name, by which any Temporal SDK starts it.
    - `queue`: the task queue of the pool that hosts it.
    - `uses`: the agents that it may call, for the search attribute and the topology picture.
    - `title`: one line about an input, for the Web UI. Never encrypted, so no personal data in it.
    - `customer`: the field of the input that says whose task it is (an opaque id, it is never encrypted); empty for
      none.
    - `tenant`: the field of the input that says who shares the agents fairly with the others (never encrypted, either);
      empty for none.
    - `priority`: 1 (first) to 5 (last), unless its start says otherwise; None for the middle.
    - `weight`: a tenant's share against the others', unless its start says otherwise; None for 1.
    """

    name: str
    takes: type[In]
    returns: type[Out]
    queue: str
    uses: tuple[Agent, ...] = ()
    customer: str = ""
    tenant: str = ""
    priority: int | None = None
    weight: float | None = None
    title: Callable[[In], str] | None = None
    summary: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.queue:
            raise DefinitionError("a task needs a name and a queue")
        check_models(f"task {self.name}", takes=self.takes, returns=self.returns)
        for word, named in (("customer", self.customer), ("tenant", self.tenant)):
            if named and named not in self.takes.model_fields:
                raise DefinitionError(f"task {self.name}: {word}: {self.takes.__name__} has no field {named!r}")
        for word, problem in (("priority", priority_problem(self.priority)), ("weight", weight_problem(self.weight))):
            if problem:
                raise DefinitionError(f"task {self.name}: {word} {problem}")

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

    def precedence(self, arg: In, *, priority: int | None = None, weight: float | None = None) -> Precedence:
        """What a task of this input waits by; the start's own `priority` and `weight` before the contract's.

        Raises:
            InvalidInput: for a priority or weight that is none.
        """
        problems = (("priority", priority_problem(priority)), ("weight", weight_problem(weight)))
        wrong = [FieldProblem(field=field, problem=problem) for field, problem in problems if problem]
        if wrong:
            raise InvalidInput("the task", wrong)
        tenant = getattr(arg, self.tenant) if self.tenant else None
        return Precedence(
            priority=self.priority if priority is None else priority,
            tenant="" if tenant is None else str(tenant),
            weight=self.weight if weight is None else weight,
        )


def check_task_id(task_id: str) -> str:
    """Return the id, or refuse it.

    Raises:
        InvalidInput: unless it is 1 to 200 letters, digits and `. _ : @ + -`, and begins with a letter or digit; and
            when it begins with `sagamesh.`, as the framework's own workflows do.
    """
    if not check_id(task_id).startswith(_RESERVED):
        return task_id
    problem = f"{_shown(task_id)} must not begin with {_RESERVED!r}: these are the framework's own workflows"
    raise InvalidInput("the task", [FieldProblem(field="id", problem=problem)])


def check_id(workflow_id: str) -> str:
    """Return the id of a task or of one of the framework's own workflows, or refuse it.

    Raises:
        InvalidInput: unless it is 1 to 200 letters, digits and `. _ : @ + -`, and begins with a letter or digit.
    """
    if _ID.fullmatch(workflow_id) and len(workflow_id) <= _LONGEST_ID:
        return workflow_id
    rule = f"must be 1 to {_LONGEST_ID} letters, digits or . _ : @ + - and begin with a letter or digit"
    raise InvalidInput("the task", [FieldProblem(field="id", problem=f"{_shown(workflow_id)} {rule}")])


def check_no_part(workflow_id: str) -> None:
    """Refuse a request to a workflow that is no task but a part of the framework.

    Raises:
        InvalidInput: when the id begins with `sagamesh.`.
    """
    if not workflow_id.startswith(_RESERVED):
        return
    from sagamesh.breaker.fleet import keeper_id
    from sagamesh.locks.messages import lock_id  # only now: the package of locks imports this module

    hints = {
        keeper_id(""): "`sagamesh breaker` opens and closes breakers",
        lock_id(""): "`sagamesh locks` shows the task that holds it, and that one can be cancelled",
    }
    instead = next((f": {hint}" for start, hint in hints.items() if workflow_id.startswith(start)), "")
    problem = f"{_shown(workflow_id)} is no task but a part of the framework{instead}"
    raise InvalidInput("the request", [FieldProblem(field="id", problem=problem)])


def _shown(workflow_id: str) -> str:
    return repr(workflow_id if len(workflow_id) <= 60 else workflow_id[:57] + "...")
