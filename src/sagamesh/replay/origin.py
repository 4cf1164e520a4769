"""How a run began: what its commands are read against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

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
    memo: Mapping[str, Payload]
    search_attributes: Mapping[str, Payload]


def origin_of(workflow_id: str, events: Sequence[HistoryEvent]) -> Origin:
    """Read the first event.

    Raises:
        ValueError: when it is not the start of a workflow.
    """
    if not events or not events[0].HasField("workflow_execution_started_event_attributes"):
        raise ValueError("it does not begin with the start of a workflow")
    started = events[0].workflow_execution_started_event_attributes
    return Origin(
        workflow_id=workflow_id,
        run_id=started.original_execution_run_id,
        workflow_type=started.workflow_type.name,
        queue=started.task_queue.name,
        run_timeout=started.workflow_run_timeout,
        task_timeout=started.workflow_task_timeout,
        memo=started.memo.fields,
        search_attributes=started.search_attributes.indexed_fields,
    )
