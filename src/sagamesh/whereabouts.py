"""Which task, call and attempt the running code belongs to: what logs and spans say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity, workflow

from sagamesh.call import ACTING_FOR

__all__ = ["whereabouts"]


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


def _call(info: activity.Info) -> dict[str, str | int]:
    agent, dot, _ = info.activity_type.partition(".")
    known = {
        "task": ACTING_FOR.get() or info.workflow_id,
        "run": info.workflow_run_id,
        "agent": agent if dot else "",
        "capability": info.activity_type,
    }
    return {**{name: value for name, value in known.items() if value}, "attempt": info.attempt}
