"""Every error that Sagamesh raises.

    SagameshError                    catch this to catch what the framework itself reports
    ├── DefinitionError              a contract, mesh or pool is wrong; raised while it is built
    │   ├── MeshError                the agents do not fit together (missing, duplicate, circular)
    │   └── Unserved                 a pool would start without serving what it promised
    ├── UnknownName                  no such agent, capability or task; carries the nearest names
    ├── NotDurable                   a capability was called outside a workflow
    ├── InvalidInput                 the input was refused before any effect; carries the fields
    ├── ServerUnreachable            the Temporal server does not answer
    ├── DependencyUnreachable        what a pool needs, such as its database, does not answer
    ├── TaskNotFound                 no task has this id
    ├── TaskConflict                 the id is taken by a task with another input
    ├── Refused                      a request was declined: by a task, the server, the stack, a deployment, a lock, ...
    ├── StackFailed                  the embedded stack did not start or go on (in sagamesh.stack.errors)
    │   └── PortTaken                ... because a port is taken
    └── TaskFailed                   the task ended without a result; carries the failure
        └── TaskCancelled            ... because it was cancelled

    temporalio.exceptions.ApplicationError
    ├── BusinessError                raised by an agent: a final answer, never retried
    └── RetryLater                   raised by an agent: try again, not before the delay

The second tree travels through the engine, where only the type's name, the message and the details survive; read them
back with `sagamesh.failure.failure_of`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

if TYPE_CHECKING:
    from sagamesh.failure import Failure, FieldProblem

__all__ = [
    "BusinessError",
    "DefinitionError",
    "DependencyUnreachable",
    "InvalidInput",
    "MeshError",
    "NotDurable",
    "Refused",
    "RetryLater",
    "SagameshError",
    "ServerUnreachable",
    "TaskCancelled",
    "TaskConflict",
    "TaskFailed",
    "TaskNotFound",
    "UnknownName",
    "Unserved",
]


class SagameshError(Exception):
    """Base of the errors that the framework itself reports."""


class DefinitionError(SagameshError, ValueError):
    """A contract, mesh or pool contradicts itself. Raised while it is built, so a process never starts with it."""


class MeshError(DefinitionError):
    """The agents of a mesh do not fit together; the message names them and, for a cycle, its path."""


class Unserved(DefinitionError):
    """A pool lacks the implementation of a capability of its agent, or has one too many."""


class UnknownName(SagameshError, LookupError):
    """No agent, capability or task has this name.

    `nearest` holds up to three known names that look like it, best first.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.nearest = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(self.nearest)}?" if self.nearest else f"; known: {_listed(known)}"
        super().__init__(f"no {kind} is called {name!r}{hint}")


class NotDurable(SagameshError, RuntimeError):
    """A capability was called outside a workflow, where no engine would retry it or remember that it ran."""


class InvalidInput(SagameshError, ValueError):
    """An input was refused before it had any effect. `fields` names each problem."""

    def __init__(self, subject: str, fields: Sequence[FieldProblem]) -> None:
        self.subject = subject
        self.fields = tuple(fields)
        super().__init__(f"{subject} is not valid: " + "; ".join(str(field) for field in self.fields))


class ServerUnreachable(SagameshError, ConnectionError):
    """The Temporal server at the configured address cannot be used: nobody answers, or not as it must.

    - `reason`: a word for the cause, such as `NobodyListens`, `UntrustedCertificate` or `ServerTooOld`.
    - `what`, `advice`: the two halves of the message, without the address: the cause, and what to do next.
    """

    def __init__(self, message: str, *, reason: str = "NoAnswer", what: str = "", advice: str = "") -> None:
        self.reason = reason
        self.what = what or message
        self.advice = advice
        super().__init__(message)


class DependencyUnreachable(SagameshError, ConnectionError):
    """What a pool needs to open, such as its database, cannot be reached; the message names it."""


class TaskNotFound(SagameshError, LookupError):
    """The server knows no task with this id (or its retention has ended)."""


class TaskConflict(SagameshError):
    """The id belongs to a task that was started with another input, or is of another type."""


class Refused(SagameshError):
    """A request was declined: by a running task, the server, or a part of Sagamesh such as the embedded stack.

    `reason` is a word for why, such as `PastPointOfNoReturn`, `ResourceExhausted` or `NoWorkers`; each function names
    its own.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class TaskFailed(SagameshError):
    """The task ended without a result. `failure` says what failed, where, and what was undone."""

    def __init__(self, task_id: str, failure: Failure) -> None:
        self.task_id = task_id
        self.failure = failure
        super().__init__(f"task {task_id} failed: {failure}")


class TaskCancelled(TaskFailed):
    """The task was cancelled, and what it had done was undone."""


class BusinessError(ApplicationError):
    """A final answer of an agent that is not a result: out of stock, declined, unknown user.

    Subclass it, one class for one answer. The class name is the failure's type on the wire, the keyword arguments are
    its details (JSON values only). It is never retried.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(
            message,
            *([details] if details else []),
            type=type(self).__name__,
            non_retryable=True,
            # An answer, not an incident: no stack trace in the worker's log, no alarm in its metrics.
            category=ApplicationErrorCategory.BENIGN,
        )


class RetryLater(ApplicationError):
    """The agent could not do it now: a limit, an overload, a dependency that is down.

    `after` is the least time until the next attempt; without it the capability's own retry policy decides.
    """

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message, type=type(self).__name__, next_retry_delay=after)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
