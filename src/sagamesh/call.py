"""What an implementation may ask about the call that it is serving."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass

from temporalio import activity

__all__ = ["ACTING_FOR", "UNDO", "Call", "current_call", "effect_key"]

UNDO = "undo:"
"""Prefix of the activity id of an undo. The rest is the activity id of the step that it undoes."""

ACTING_FOR: ContextVar[str] = ContextVar("sagamesh_acting_for", default="")
"""The task for which another one calls, as a supervisor does; empty for a task's own calls."""

_LONGEST_KEY = 200  # Stripe accepts 255 characters, and keys get suffixes


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a capability, as its implementation sees it.

    - `key`: names the effect. The same for every attempt of a step, and the same for a step and its undo: an
      implementation stores it with its effect, in one transaction, and the undo leaves its mark under it.
    - `attempt`: 1 for the first.
    - `task_id`: the task (workflow id) whose effect it is, also where a supervisor undoes it.
    - `undo`: True when this call undoes the step with the same key.
    """

    key: str
    attempt: int
    task_id: str
    undo: bool


def current_call() -> Call:
    """The call that is being served.

    Raises:
        RuntimeError: outside an activity.
    """
    info = activity.info()
    task_id = ACTING_FOR.get() or info.workflow_id or ""
    return Call(
        key=effect_key(task_id, info.activity_id.removeprefix(UNDO)),
        attempt=info.attempt,
        task_id=task_id,
        undo=info.activity_id.startswith(UNDO),
    )


def effect_key(task_id: str, step: str) -> str:
    """The idempotency key of a step: readable while short, a digest where the task's id is long."""
    key = f"{task_id}/{step}"
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{hashlib.sha256(task_id.encode()).hexdigest()}/{step}"
