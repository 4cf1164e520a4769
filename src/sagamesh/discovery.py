"""Who is alive and how loaded, as the server itself knows it: pollers and statistics of the task queues."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from temporalio.api.enums.v1 import RateLimitSource, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueStats
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeTaskQueueResponse
from temporalio.client import Client

from sagamesh.app import App
from sagamesh.breaker.gate import holding
from sagamesh.breaker.notice import Notice
from sagamesh.limits.tenant_rate import rate_in_force

__all__ = ["Backlog", "Kind", "Limit", "QueueState", "describe_app", "describe_queue", "state_of"]

ALIVE_WITHIN = timedelta(seconds=55)
"""A poller that has not asked for this long is taken for dead, unless its worker tells otherwise (`presence`). The
server itself remembers it for minutes.

One that died right after asking is out within a minute. An idle worker asks again after 45 to 60 s.
"""


Kind: TypeAlias = Literal["agent", "provider", "tasks"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits at one priority: how many, and for how long the first of them."""

    priority: int
    waiting: int
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate that the server keeps for a whole queue: calls a second.

    - `declared`: it came with the workers, from the contract; else an operator or a breaker set it on the server, and
      it counts before the contract's.
    """

    rate: float
    declared: bool


@dataclass(frozen=True, slots=True)
class QueueState:
    """One task queue, now.

    - `serves`: the agent or pool; `kind`: `agent`, `provider` (calls of the agent to something outside) or `tasks`.
    - `workers`: identities (`<pid>@<host>`) that polled within the last minute.
    - `backlog`: tasks that wait for a worker; `oldest`: for how long the first of them.
    - `added`, `dispatched`: tasks a second, as the server averages them.
    - `by_priority`: the backlog again, where something waits, the first priority first.
    - `limit`, `tenant_limit`: rates in force, for the queue and for each tenant; None for none.
    - `breakers`: those that hold it, with since when and why; none while calls go on.
    - `limited`: whether a limit holds tasks back right now.
    """

    serves: str
    kind: Kind
    queue: str
    workers: tuple[str, ...]
    last_seen: datetime | None
    backlog: int
    oldest: timedelta
    added: float
    dispatched: float
    by_priority: tuple[Backlog, ...] = ()
    limit: Limit | None = None
    tenant_limit: float | None = None
    limited: bool = False
    breakers: tuple[Notice, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether anybody takes work."""
        return bool(self.workers)


async def describe_app(client: Client, app: App) -> list[QueueState]:
    """Every agent of the mesh with its providers, and every pool of tasks, in the mesh's order."""
    entries: list[tuple[str, Kind, str]] = []
    for agent in app.mesh.agents:
        entries.append((agent.queue, "agent", agent.queue))
        entries.extend((agent.name, "provider", provider.queue) for provider in agent.providers.values())
    entries.extend((queue, "tasks", queue) for queue in dict.fromkeys(task.queue for task in app.tasks))
    return list(await asyncio.gather(*(describe_queue(client, *entry) for entry in entries)))


async def describe_queue(client: Client, serves: str, kind: Kind, queue: str) -> QueueState:
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
            report_config=True,
        )
    )
    return state_of(answer, datetime.now(UTC), serves=serves, kind=kind, queue=queue)


def state_of(answer: DescribeTaskQueueResponse, now: datetime, *, serves: str, kind: Kind, queue: str) -> QueueState:
    """Read the server's description of a queue, as of `now`."""
    seen = {poller.identity: poller.last_access_time.ToDatetime(tzinfo=UTC) for poller in answer.pollers}
    stats = answer.stats
    tenants = rate_in_force(answer.config.fairness_keys_rate_limit_default)
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
        by_priority=tuple(
            _backlog(priority, of_one)
            for priority, of_one in sorted(answer.stats_by_priority_key.items())
            if of_one.approximate_backlog_count
        ),
        limit=_limit(answer),
        tenant_limit=None if tenants is None else tenants.rate,
        limited=stats.rate_limiting_active,
        breakers=tuple(holding(answer.config.queue_rate_limit).values()),
    )


def _backlog(priority: int, stats: TaskQueueStats) -> Backlog:
    return Backlog(priority, stats.approximate_backlog_count, stats.approximate_backlog_age.ToTimedelta())


def _limit(answer: DescribeTaskQueueResponse) -> Limit | None:
    """The rate of the whole queue, without the one that protects the server itself."""
    in_force = answer.effective_rate_limit
    if in_force.rate_limit_source == RateLimitSource.RATE_LIMIT_SOURCE_WORKER:
        return Limit(in_force.requests_per_second, declared=True)
    if in_force.rate_limit_source == RateLimitSource.RATE_LIMIT_SOURCE_API:
        return Limit(in_force.requests_per_second, declared=False)
    return None
