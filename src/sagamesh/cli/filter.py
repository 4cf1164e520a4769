"""From the options of `list` to the server's list filter."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

__all__ = ["StatusWord", "list_filter", "status_word"]

StatusWord: TypeAlias = Literal[
    "running", "completed", "failed", "cancelled", "awaiting_approval", "compensating", "needs_operator"
]

# How a task ended, the engine knows best: a terminated task has not said anything any more.
_ENDED: Final = {
    "completed": "ExecutionStatus = 'Completed'",
    "failed": "ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut')",
    "cancelled": "ExecutionStatus = 'Canceled'",
}


def list_filter(
    *,
    needs_operator: bool = False,
    task: str = "",
    status: StatusWord | None = None,
    customer: str = "",
    query: str = "",
) -> str:
    """The filter that all of these pass. The framework's own workflows pass only a `query`, or by their name.

    Raises:
        InvalidInput: for a customer that the engine's filter has no way to write.
    """
    from sagamesh.attributes import CUSTOMER, NEEDS_OPERATOR, STATUS
    from sagamesh.breaker.keeper import KEEPER
    from sagamesh.locks.messages import LOCK

    # Kept by the framework for its own purposes; `sagamesh locks` and `sagamesh breaker` show them. A supervisor is
    # listed: it may need an operator.
    parts = [] if query or task else [f"WorkflowType NOT IN ('{KEEPER}', '{LOCK}')"]
    if needs_operator:
        parts.append(f"{NEEDS_OPERATOR.name} = true AND ExecutionStatus = 'Running'")
    if task:
        parts.append(f"WorkflowType = {_quoted(task, '--task')}")
    if status is not None:
        parts.append(_ENDED.get(status) or f"{STATUS.name} = '{status}' AND ExecutionStatus = 'Running'")
    if customer:
        parts.append(f"{CUSTOMER.name} = {_quoted(customer, '--customer')}")
    if query:
        parts.append(f"({query})" if parts else query)
    return " AND ".join(parts)


def status_word(execution: str, stage: str) -> str:
    """One word for where a task is: how the engine says that it ended, else the stage that it gave itself."""
    if execution == "running":
        return stage or execution
    return {"canceled": "cancelled", "continued_as_new": "continued"}.get(execution, execution)


def _quoted(text: str, option: str) -> str:
    if '"' not in text and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    from sagamesh.errors import InvalidInput
    from sagamesh.failure import FieldProblem

    problem = f"{text!r} has a double quotation mark or a backslash, which the server's list filter cannot find"
    raise InvalidInput(option, [FieldProblem(field="", problem=problem)])
