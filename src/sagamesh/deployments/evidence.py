"""What the server knows of how a version does: tasks that it hosted, and calls that it served."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.breaker.keeper import KEEPER
from sagamesh.deployments.build import canonical
from sagamesh.deployments.judgement import Figures
from sagamesh.errors import Refused
from sagamesh.locks.messages import LOCK
from sagamesh.reply import reply
from sagamesh.supervision.messages import SUPERVISOR

__all__ = ["Attempts", "CallsSeen", "calls_in", "figures_of_tasks"]

T = TypeVar("T")

_NEWEST: Final = 500
"""So many tasks are listed, the last ended or started first."""

_READ: Final = 100
"""So many histories are read at one look for what became of calls."""

_KEPT: Final = 5_000
"""Of so many tasks what has been read is kept."""

_OWN: Final = f"('{KEEPER}', '{LOCK}', '{SUPERVISOR}')"
"""The workflow types of the framework's own, which call no agent and must not take the place of tasks."""

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
        Refused: for what it does not take, such as too many questions at a time.
    """
    mine = f"TemporalWorkerDeploymentVersion = '{canonical(version)}'"
    ended = await _listed(client, f"{mine} AND CloseTime >= '{since.isoformat()}'", without)
    problems = f"{mine} AND TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'"
    try:
        broken = len(await _listed(client, problems, without))
    except Refused as error:
        if error.reason != "InvalidArgument":
            raise
        broken = 0  # a server that does not keep count of this yet
    good = [each for each in ended if each.status is WorkflowExecutionStatus.COMPLETED]
    bad = sum(each.status in _BAD for each in ended)
    seconds = tuple((each.close_time - each.start_time).total_seconds() for each in good if each.close_time is not None)
    return Figures(ended=len(good) + bad, failed=bad, seconds=seconds, broken=broken)


@dataclass(slots=True)
class Attempts:
    """What became of the calls that one version served.

    - `ended`: calls that ended; `failed`: those that did not succeed at once, or are tried again now.
    """

    ended: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, other: Attempts) -> None:
        """Count other calls, too."""
        self.ended += other.ended
        self.failed += other.failed
        self.seconds += other.seconds

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


@dataclass(frozen=True, slots=True)
class _Read:
    """What one history held. `ended`: it will hold nothing more."""

    calls: Mapping[str, Attempts]
    ended: bool


class CallsSeen:
    """What became of the calls on some queues, in the tasks that were started since a time.

    Each look reads some histories only; what earlier ones have read still counts, so that the evidence grows.

    - `without`: tasks whose ids begin so do not count.
    """

    def __init__(self, client: Client, queues: Collection[str], since: datetime, *, without: str = "") -> None:
        self._client = client
        self._queues = queues
        self._tasks = f"StartTime >= '{since.isoformat()}' AND WorkflowType NOT IN {_OWN}"
        self._without = without
        self._read: dict[str, _Read] = {}  # by run id, in the order in which they were read

    async def look(self) -> dict[str, Figures]:
        """The figures by the build id that served the calls; of open tasks also the calls that are tried again now.

        Raises:
            ServerUnreachable: when the server does not answer; what was read is kept.
            Refused: for what it does not take, such as too many questions at a time; likewise.
        """
        running = await _listed(self._client, f"{self._tasks} AND ExecutionStatus = 'Running'", self._without)
        ended = await _listed(self._client, f"{self._tasks} AND ExecutionStatus != 'Running'", self._without)
        busy = asyncio.Semaphore(_AT_ONCE)

        async def read(task: WorkflowExecution) -> None:
            async with busy:
                calls = await self._calls_of(task)
            self._read.pop(task.run_id, None)
            self._read[task.run_id] = _Read(calls, task.status is not WorkflowExecutionStatus.RUNNING)

        reads = [asyncio.create_task(read(task)) for task in self._due(running, ended)]
        try:
            await asyncio.gather(*reads)
        finally:  # the first that fails ends them all
            for each in reads:
                each.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
        for run_id in list(self._read)[:-_KEPT]:
            del self._read[run_id]
        found: dict[str, Attempts] = defaultdict(Attempts)
        for known in self._read.values():
            for build, attempts in known.calls.items():
                found[build].add(attempts)
        return {build: attempts.figures() for build, attempts in found.items()}

    def _due(self, running: Sequence[WorkflowExecution], ended: Sequence[WorkflowExecution]) -> list[WorkflowExecution]:
        """Those that are read at this look: what has ended once, what is open in turn.

        Half of them may be open ones: calls that are only tried again and again are seen nowhere else.
        """
        turn = {run_id: place for place, run_id in enumerate(self._read)}
        waiting = sorted(running, key=lambda each: turn.get(each.run_id, -1))
        new = [each for each in ended if (known := self._read.get(each.run_id)) is None or not known.ended]
        new = new[: _READ - min(len(waiting), _READ // 2)]
        return [*new, *waiting[: _READ - len(new)]]

    async def _calls_of(self, task: WorkflowExecution) -> Mapping[str, Attempts]:
        handle = self._client.get_workflow_handle(task.id, run_id=task.run_id)
        found: dict[str, Attempts] = defaultdict(Attempts)
        try:
            calls_in((await reply(self._client, handle.fetch_history())).events, self._queues, found)
            if task.status is WorkflowExecutionStatus.RUNNING:
                for pending in (await reply(self._client, handle.describe())).raw_description.pending_activities:
                    mine = pending.activity_options.task_queue.name in self._queues
                    if mine and pending.attempt > 1 and pending.HasField("last_failure"):
                        attempts = found[pending.last_deployment_version.build_id]
                        attempts.ended += 1
                        attempts.failed += 1
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise  # else its retention has ended meanwhile
        return found


async def _listed(client: Client, query: str, without: str) -> list[WorkflowExecution]:
    async def all_of_it() -> list[WorkflowExecution]:
        found = client.list_workflows(query, limit=_NEWEST)
        return [each async for each in found if not without or not each.id.startswith(without)]

    listing: Awaitable[list[WorkflowExecution]] = all_of_it()
    return await reply(client, listing)
