"""What the server knows of how a version does: tasks that it hosted, and calls that it served."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.deployments.build import canonical
from sagamesh.deployments.judgement import Figures
from sagamesh.reply import reply

__all__ = ["Attempts", "calls_in", "figures_of_calls", "figures_of_tasks"]

T = TypeVar("T")

_NEWEST: Final = 500
"""So many tasks of a version are looked at, the last ended first."""

_READ: Final = 100
"""So many histories are read for what became of calls."""

_AT_ONCE: Final = 8

_WELL: Final = "activity_task_completed_event_attributes"
_ENDS: Final = (_WELL, "activity_task_failed_event_attributes", "activity_task_timed_out_event_attributes")

_BAD: Final = (
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.TIMED_OUT,
)


async def figures_of_tasks(
    client: Client, version: WorkerDeploymentVersion, since: datetime, *, without: str = ""
) -> Figures:
    """What became of the tasks that ended on a version since then.

    A task that somebody cancelled says nothing of the version.

    - `without`: ids that begin so do not count.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    mine = f"TemporalWorkerDeploymentVersion = '{canonical(version)}'"
    ended = await _listed(client, f"{mine} AND CloseTime >= '{since.isoformat()}'", without)
    problems = f"{mine} AND TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'"
    broken = await _listed(client, problems, without)
    good = [each for each in ended if each.status is WorkflowExecutionStatus.COMPLETED]
    bad = sum(each.status in _BAD for each in ended)
    seconds = tuple((each.close_time - each.start_time).total_seconds() for each in good if each.close_time is not None)
    return Figures(ended=len(good) + bad, failed=bad, seconds=seconds, broken=len(broken))


@dataclass(slots=True)
class Attempts:
    """What became of the calls that one version served.

    - `ended`: calls that ended; `failed`: those that did not succeed at once, or are tried again now.
    """

    ended: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)

    def figures(self) -> Figures:
        """As they are judged."""
        return Figures(self.ended, self.failed, tuple(self.seconds))


def calls_in(events: Iterable[HistoryEvent], queues: Collection[str], found: Mapping[str, Attempts]) -> None:
    """Add the calls of one history that were put on these queues, by the build id that served the last attempt."""
    started: dict[int, HistoryEvent | None] = {}
    for event in events:
        kind = event.WhichOneof("attributes")
        if kind == "activity_task_scheduled_event_attributes":
            if event.activity_task_scheduled_event_attributes.task_queue.name in queues:
                started[event.event_id] = None
        elif kind == "activity_task_started_event_attributes":
            call = event.activity_task_started_event_attributes.scheduled_event_id
            if call in started:
                started[call] = event
        elif kind in _ENDS:
            _add(event, started.get(getattr(event, kind).scheduled_event_id), kind == _WELL, found)


def _add(end: HistoryEvent, start: HistoryEvent | None, good: bool, found: Mapping[str, Attempts]) -> None:
    if start is None:
        return
    began = start.activity_task_started_event_attributes
    attempts = found[began.worker_version.build_id]
    attempts.ended += 1
    if good:
        took = end.event_time.ToNanoseconds() - start.event_time.ToNanoseconds()
        attempts.seconds.append(took / 1e9)
    if not good or began.attempt > 1:
        attempts.failed += 1


async def figures_of_calls(
    client: Client, queues: Collection[str], since: datetime, *, without: str = ""
) -> dict[str, Figures]:
    """What became of calls on these queues, by the build id that served them, in the tasks started since then.

    The histories of the newest tasks are read, and of those that are open also the calls that are tried again now.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    found: dict[str, Attempts] = defaultdict(Attempts)
    tasks = await _listed(client, f"StartTime >= '{since.isoformat()}'", without, _READ)
    busy = asyncio.Semaphore(_AT_ONCE)

    async def read(task: WorkflowExecution) -> None:
        handle = client.get_workflow_handle(task.id, run_id=task.run_id)
        async with busy:
            try:
                calls_in((await reply(client, handle.fetch_history())).events, queues, found)
                if task.status is WorkflowExecutionStatus.RUNNING:
                    for pending in (await reply(client, handle.describe())).raw_description.pending_activities:
                        mine = pending.activity_options.task_queue.name in queues
                        if mine and pending.attempt > 1 and pending.HasField("last_failure"):
                            attempts = found[pending.last_deployment_version.build_id]
                            attempts.ended += 1
                            attempts.failed += 1
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise  # else its retention has ended meanwhile

    await asyncio.gather(*(read(task) for task in tasks))
    return {build: attempts.figures() for build, attempts in found.items()}


async def _listed(client: Client, query: str, without: str, limit: int = _NEWEST) -> list[WorkflowExecution]:
    async def all_of_it() -> list[WorkflowExecution]:
        found = client.list_workflows(query, limit=limit)
        return [each async for each in found if not without or not each.id.startswith(without)]

    listing: Awaitable[list[WorkflowExecution]] = all_of_it()
    return await reply(client, listing)
