"""Which task, call and attempt the running code belongs to: what logs and spans say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity, workflow

from sagamesh.call import ACTING_FOR

__all__ = ["agent_of", "whereabouts"]


def whereabouts() -> Mapping[str, str | int]:
    """Names to values, those that are known: `task`, `run`, `type`, `agent`, `capability`, `attempt`.

    In a call `type` is missing, in a task's own code `agent` and `capability` are; elsewhere there is nothing.
    """
    if activity.in_activity():
        return _call(activity.info())
    if workflow.in_workflow():
        about = workflow.info()
        return {"task": about.workflow_id, "run": about.run_id, "type": about.workflow_type, "attempt": about.attempt}
    return {}


def agent_of(activity_type: str) -> str:
    """The agent whose capability an activity type names; empty for the framework's own parts."""
    agent, dot, _ = activity_type.partition(".")
    return agent if dot else ""


def _call(info: activity.Info) -> dict[str, str | int]:
    known = {
        "task": ACTING_FOR.get() or info.workflow_id,
        "run": info.workflow_run_id,
        "agent": agent_of(info.activity_type),
        "capability": info.activity_type,
    }
    return {**{name: value for name, value in known.items() if value}, "attempt": info.attempt}
