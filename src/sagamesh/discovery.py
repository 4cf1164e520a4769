"""Who is alive and how loaded, as the server itself knows it: pollers and statistics of the task queues."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from sagamesh.app import App

__all__ = ["QueueState", "describe_app", "describe_queue"]

ALIVE_WITHIN = timedelta(seconds=60)
"""A poller that has not asked for this long is taken for dead. The server itself remembers it for minutes."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """One task queue, now.

    - `serves`: the agent or pool; `kind`: `agent` or `tasks`.
    - `workers`: identities (`<pid>@<host>`) that polled within the last minute.
    - `backlog`: tasks that wait for a worker; `oldest`: for how long the first of them.
    - `added`, `dispatched`: tasks a second, as the server averages them.
    """

    serves: str
    kind: str
    queue: str
    workers: tuple[str, ...]
    last_seen: datetime | None
    backlog: int
    oldest: timedelta
    added: float
    dispatched: float

    @property
    def alive(self) -> bool:
        """Whether anybody takes work."""
        return bool(self.workers)


async def describe_app(client: Client, app: App) -> list[QueueState]:
    """Every agent of the mesh and every pool of tasks, in the mesh's order."""
    agents = [(agent.name, "agent", agent.queue) for agent in app.mesh.agents]
    queues = dict.fromkeys(task.queue for task in app.tasks)
    tasks = [(queue, "tasks", queue) for queue in queues]
    return list(await asyncio.gather(*(describe_queue(client, *entry) for entry in [*agents, *tasks])))


async def describe_queue(client: Client, serves: str, kind: str, queue: str) -> QueueState:
    """One queue, as the server describes it (its figures are up to five seconds old)."""
    of_tasks = kind == "tasks"
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
            if of_tasks
            else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
    )
    now = datetime.now(UTC)
    seen = {poller.identity: poller.last_access_time.ToDatetime(tzinfo=UTC) for poller in answer.pollers}
    stats = answer.stats
    return QueueState(
        serves=serves,
        kind=kind,
        queue=queue,
        workers=tuple(sorted(name for name, at in seen.items() if now - at < ALIVE_WITHIN)),
        last_seen=max(seen.values(), default=None),
        backlog=stats.approximate_backlog_count,
        oldest=stats.approximate_backlog_age.ToTimedelta(),
        added=round(stats.tasks_add_rate, 2),
        dispatched=round(stats.tasks_dispatch_rate, 2),
    )
