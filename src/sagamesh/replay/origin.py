"""How a run began: what its commands are read against."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from temporalio.client import WorkflowHistory

__all__ = ["Origin", "origin_of"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The start of a run, from its first event. Timeouts of 0 are not set."""

    workflow_id: str
    run_id: str
    workflow_type: str
    queue: str
    run_timeout: Duration
    task_timeout: Duration


def origin_of(history: WorkflowHistory) -> Origin:
    """Read the first event.

    Raises:
        ValueError: when it is not the start of a workflow.
    """
    if not history.events or not history.events[0].HasField("workflow_execution_started_event_attributes"):
        raise ValueError("it does not begin with the start of a workflow")
    started = history.events[0].workflow_execution_started_event_attributes
    return Origin(
        workflow_id=history.workflow_id,
        run_id=history.run_id,
        workflow_type=started.workflow_type.name,
        queue=started.task_queue.name,
        run_timeout=started.workflow_run_timeout,
        task_timeout=started.workflow_task_timeout,
    )
