"""A pool: the worker processes that serve an agent or host tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypeVar

from pydantic import BaseModel
from temporalio.client import Client
from temporalio.worker import (
    Interceptor,
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    Worker,
    WorkerDeploymentConfig,
)

from sagamesh.admission import Admission
from sagamesh.agent import Agent
from sagamesh.breaker.guard import BreakerInterceptor
from sagamesh.capability import Capability, In, Out, kept_queue
from sagamesh.errors import DefinitionError, Unserved
from sagamesh.faults import fault_interceptors
from sagamesh.limits.queue import QueueLimits, limits_of
from sagamesh.limits.tenant_rate import keep_tenant_rate
from sagamesh.polled_queue import Queue
from sagamesh.pollers import DEFAULT_POLLERS, Pollers, polling
from sagamesh.routing.bidder import Bidder
from sagamesh.served import falls_on_kept, kept_activity, served_activity, unknown_capability
from sagamesh.slots import DEFAULT_SLOTS, Slots, fixed, least, most, tuner
from sagamesh.status import TaskStatus
from sagamesh.steering import TaskWorkflow
from sagamesh.task import Task
from sagamesh.version_guard import VersionGuard

if TYPE_CHECKING:
    from sagamesh.results import ResultStore

__all__ = ["DEFAULT_GRACE", "Pool", "PoolFactory"]

DEFAULT_GRACE = timedelta(seconds=8)
"""How long running calls may take to finish after a worker was told to stop."""


TaskIn = TypeVar("TaskIn", bound=BaseModel, contravariant=True)
TaskOut = TypeVar("TaskOut", bound=BaseModel, covariant=True)


class Runs(Protocol[TaskIn, TaskOut]):
    """A task's workflow class as type checkers see it: tells its status, runs from the one model to the other."""

    def status(self) -> TaskStatus:
        """Where the task is; what `TaskWorkflow` gives it."""
        ...

    async def run(self, arg: TaskIn, /) -> TaskOut:
        """The task's code."""
        ...


class Pool:
    """What one kind of worker process does: serve an agent's capabilities, or host tasks.

        Pool(inventory).serve(reserve, stock.reserve).serve(release, stock.release).serve(confirm, stock.confirm)
        Pool("orders").host(order, Order)

    - `serves`: the agent, or for a pool of tasks the name of their queue.
    - `slots`: calls at a time in one process, a number or `ResourceSlots`; None for the process's setting.
    - `grace`: how long running calls may take to finish after a stop; None for the process's setting.
    - `results`: where the results are kept that the agent's contract wants to be.
    - `checks`: as `check_with`, by name.

    mypy and pyright refuse an implementation, or a workflow class, whose argument or result is not the contract's.
    """

    def __init__(
        self,
        serves: Agent | str,
        *,
        slots: Slots | None = None,
        grace: timedelta | None = None,
        results: ResultStore | None = None,
        checks: Mapping[str, Callable[[], Awaitable[object]]] | None = None,
    ) -> None:
        if isinstance(slots, int) and slots < 1:
            raise DefinitionError(f"a pool needs at least one slot, not {slots}")
        self.agent = serves if isinstance(serves, Agent) else None
        self.queue = serves.queue if isinstance(serves, Agent) else serves
        self.workflows: list[type[TaskWorkflow]] = []
        self.dependencies: dict[str, Callable[[], Awaitable[object]]] = {}
        self.deployment: WorkerDeploymentConfig | None = None
        self._slots = slots
        self._grace = grace
        self._pollers: Pollers = DEFAULT_POLLERS
        self._results = results
        self._drain = 0.0
        self._admissions: list[Admission] = []
        self._served: dict[str, Callable[..., Any]] = {}
        self._guards: list[Interceptor] | None = None
        self._breakers: BreakerInterceptor | None = None
        self._bidder: Bidder | None = None
        self._outermost: list[Interceptor] = []
        self._failing: Callable[[BaseException], None] | None = None
        for name, look in (checks or {}).items():
            self.check_with(name, look)

    def serve(self, capability: Capability[In, Out], implementation: Callable[[In], Awaitable[Out]]) -> Self:
        """Let an implementation serve a capability.

        Raises:
            Unserved: for a capability of another agent, or one that is served already.
        """
        if self.agent is None or self.agent.offers(capability) is None:
            owner = self.agent.queue if self.agent else f"the task queue {self.queue}"
            raise Unserved(f"{capability.type} is no capability of {owner}")
        if capability.name in self._served:
            raise Unserved(f"{capability.type} is served twice")
        self._served[capability.name] = served_activity(capability, implementation)
        return self

    def host(self, task: Task[In, Out], workflow_class: type[Runs[In, Out]]) -> Self:
        """Let a workflow class run a task.

        Raises:
            DefinitionError: when the task runs on another queue, or the class is another task's.
        """
        if task.queue != self.queue:
            raise DefinitionError(f"task {task.name} runs on queue {task.queue!r}, this pool polls {self.queue!r}")
        if not issubclass(workflow_class, TaskWorkflow) or getattr(workflow_class, "task", None) is not task:
            raise DefinitionError(
                f"{workflow_class.__name__} must be derived from TaskWorkflow, its task the contract of {task.name}"
            )
        self.workflows.append(workflow_class)
        return self

    def check_with(self, name: str, look: Callable[[], Awaitable[object]]) -> Self:
        """Name something that the implementations need, such as a database; see the page on health.

        - `look`: returns when all is well, raises when it is not. It is called again and again, never twice at a time,
          and is cancelled when it takes longer than the process's setting.

        Raises:
            DefinitionError: when something else has this name.
        """
        if name in self.dependencies:
            raise DefinitionError(f"the pool of queue {self.queue} has two checks called {name!r}")
        self.dependencies[name] = look
        return self

    def watch_calls(self, interceptor: Interceptor) -> None:
        """Let an interceptor stand outermost; before the pool's workers are made."""
        self._outermost.append(interceptor)

    def on_failure(self, tell: Callable[[BaseException], None]) -> None:
        """Hear of a worker that cannot go on, before it has shut down; before the pool's workers are made."""
        self._failing = tell

    async def _fail(self, error: BaseException) -> None:
        if self._failing is not None:
            self._failing(error)

    def taken(self, queue: str) -> int:
        """How many calls of this agent that came on a queue run in this process."""
        return 0 if self._bidder is None else self._bidder.by_queue[queue]

    def busy(self, queue: str) -> bool:
        """Whether all slots for the calls of a queue may be taken, so that this process does not ask for more there.

        Where resources decide, that may be so as soon as everything runs that is served in any case.
        """
        slots = {limits.queue: limits.slots or least(self.capacity) for limits in self._limits()}
        return queue in slots and self.taken(queue) >= slots[queue]

    def configure(
        self,
        *,
        slots: Slots,
        grace: timedelta,
        pollers: Pollers = DEFAULT_POLLERS,
        deployment: WorkerDeploymentConfig | None = None,
        drain: float = 0.0,
    ) -> None:
        """Set what the process's settings say, where the pool was made without saying it.

        - `pollers`: questions for work that are open at a time on each of its queues.
        - `deployment`: the version that the process is; None for an unversioned one.
        - `drain`: seconds that open polls may take to end before the workers stop; see `sagamesh.admission`.
        """
        self.deployment = deployment
        self._drain = drain
        self._pollers = pollers
        self._slots = self._slots if self._slots is not None else slots
        self._grace = self._grace if self._grace is not None else grace

    @property
    def slots(self) -> int:
        """Calls at a time in one process, at most."""
        return most(self.capacity)

    @property
    def capacity(self) -> Slots:
        """Calls at a time in one process: their number, or what decides it."""
        return DEFAULT_SLOTS if self._slots is None else self._slots

    @property
    def polling(self) -> PollerBehaviorAutoscaling | PollerBehaviorSimpleMaximum:
        """How many questions for work are open at a time on each queue, for the engine's workers."""
        return polling(self._pollers)

    @property
    def grace(self) -> timedelta:
        """How long running calls may take to finish after a stop."""
        return DEFAULT_GRACE if self._grace is None else self._grace

    def check(self) -> None:
        """Refuse to start half a pool.

        Raises:
            Unserved: naming each capability without an implementation, or the pool that does nothing.
        """
        if self.agent is None:
            if not self.workflows:
                raise Unserved(f"the pool of queue {self.queue} hosts no task")
            return
        missing = [c.type for c in self.agent.capabilities.values() if c.name not in self._served]
        if missing:
            raise Unserved(f"nothing serves {', '.join(missing)}: add .serve(...) to the pool of {self.agent.name}")
        keeping = [c.type for c in self.agent.capabilities.values() if c.policy.keep is not None or falls_on_kept(c)]
        if keeping and self._results is None:
            raise Unserved(f"{', '.join(keeping)} keeps results: give the pool a store, Pool(..., results=...)")

    def workers(self, client: Client) -> list[Worker]:
        """The engine's workers for this pool, one a queue, not yet running.

        Raises:
            Unserved: as `check`.
        """
        self.check()
        return [*(self._worker(client, limits) for limits in self._limits()), *self._kept_workers(client)]

    @property
    def queues(self) -> list[Queue]:
        """What the workers poll: each queue's name, and which side of it."""
        found: list[Queue] = []
        for limits in self._limits():
            if self.workflows:
                found.append((limits.queue, "workflows"))
            if self.agent is not None:
                found.append((limits.queue, "activities"))
        return [*found, *((queue, "activities") for queue in self._kept())]

    def _limits(self) -> list[QueueLimits]:
        return [QueueLimits(self.queue)] if self.agent is None else limits_of(self.agent)

    def _worker(self, client: Client, limits: QueueLimits) -> Worker:
        # Each queue of an agent serves all its capabilities: a call that was made before its capability moved to a
        # provider, or away from one, waits where it was put.
        activities: list[Callable[..., Any]] = list(self._served.values())
        if self.agent is not None:
            activities += [*self._bids(client, self.agent).activities, unknown_capability(self.agent)]
        slots = (limits.slots or self.capacity) if activities else None
        admission = None
        if self._drain and isinstance(slots, int):
            admission = Admission.measured(slots, client, limits.queue)
            self._admissions.append(admission)
        return Worker(
            client,
            task_queue=limits.queue,
            activities=activities,
            workflows=self.workflows,
            interceptors=self.interceptors(client),
            max_concurrent_activities=fixed(slots) if admission is None else None,
            tuner=tuner(slots, admission=admission),
            # The server keeps this one for the queue, whoever polls it.
            max_task_queue_activities_per_second=limits.rate,
            graceful_shutdown_timeout=self.grace,
            on_fatal_error=self._fail,
            deployment_config=self.deployment,
            workflow_task_poller_behavior=self.polling,
            activity_task_poller_behavior=self.polling,
        )

    def _kept_workers(self, client: Client) -> list[Worker]:
        """The workers that look for earlier results, one for each queue from which calls may fall back on them."""
        guards = [] if self.agent is None else [VersionGuard(self.agent)]
        return [
            Worker(
                client,
                task_queue=queue,
                activities=activities,
                interceptors=guards,
                graceful_shutdown_timeout=self.grace,
                on_fatal_error=self._fail,
                # Of the same version: what is kept has the shape that this version's contract gives it.
                deployment_config=self.deployment,
            )
            for queue, activities in self._kept().items()
        ]

    def _kept(self) -> dict[str, list[Callable[..., Any]]]:
        """What looks for earlier results, by queue."""
        by_queue: dict[str, list[Callable[..., Any]]] = {}
        if self.agent is None or self._results is None:
            return by_queue
        for capability in self.agent.capabilities.values():
            if falls_on_kept(capability):
                by_queue.setdefault(kept_queue(capability.queue), []).append(kept_activity(capability, self._results))
        return by_queue

    def inline_activities(self) -> list[Callable[..., Any]]:
        """What this pool's agent does on the spot for the tasks that its process hosts."""
        declared = {} if self.agent is None else self.agent.capabilities
        return [self._served[name] for name, capability in declared.items() if capability.policy.inline]

    def interceptors(self, client: Client) -> list[Interceptor]:
        """What stands between the engine and the implementations, outermost first.

        Made once: what they know of failures and limits counts for the process, however many workers it runs.
        """
        if self._guards is None:
            self._guards = self._interceptors(client)
        return self._guards

    def _interceptors(self, client: Client) -> list[Interceptor]:
        """What stands between the engine and the implementations, outermost first."""
        if self.agent is None:
            return list(self._outermost)
        # Faults are innermost, so that breakers see them.
        self._breakers = BreakerInterceptor(self.agent, client)
        return [
            *self._outermost,
            self._bids(client, self.agent),
            VersionGuard(self.agent),
            *self._keeps(self.agent),
            self._breakers,
            *fault_interceptors(self.agent.name),
        ]

    def _keeps(self, agent: Agent) -> list[Interceptor]:
        """What keeps results, in front of the breakers: a kept one needs no call."""
        if self._results is None:
            return []
        from sagamesh.results import KeptResults  # needs the extra `sql`, which only such pools have

        return [KeptResults(agent, self._results)]

    def _bids(self, client: Client, agent: Agent) -> Bidder:
        """What answers offers for this process, from what it knows of the calls that pass through it."""
        if self._bidder is None:
            self._bidder = Bidder(agent.name, agent.cost, lambda: self.slots, client.identity)
        return self._bidder

    async def run(self, client: Client, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> None:
        """Serve until `stop` is set, let polls that are open end, then finish what runs, for at most the grace.

        - `hurry`: when set, open polls are not waited for.

        Raises:
            Unserved: as `check`.
            ServerUnreachable, Refused: as `keep_limits`.
        """
        await self.keep_limits(client)
        hurry = asyncio.Event() if hurry is None else hurry
        async with self.serving(client):
            await stop.wait()
            await asyncio.gather(*(admission.drain(self._drain, hurry) for admission in self._admissions))

    @asynccontextmanager
    async def serving(self, client: Client) -> AsyncIterator[None]:
        """Serve while the block runs, then finish what runs, for at most the grace.

        Raises:
            Unserved: as `check`.
        """
        workers = self.workers(client)
        async with AsyncExitStack() as stack:
            if self._breakers is not None:
                await stack.enter_async_context(self._breakers.running())
            for worker in workers:
                await stack.enter_async_context(worker)
            try:
                yield
            finally:
                # All at once: one after the other, each would take the grace for itself.
                await asyncio.gather(*(worker.shutdown() for worker in workers))

    async def keep_limits(self, client: Client) -> None:
        """Tell the server the rates for tenants, which no worker can; those for queues come with the workers.

        Raises:
            ServerUnreachable: when the server does not answer.
            Refused: when it cannot keep what the contract declares.
        """
        if self.agent is not None:
            for limits in limits_of(self.agent):
                await keep_tenant_rate(client, limits.queue, limits.tenant_rate)


PoolFactory: TypeAlias = Callable[[], AbstractAsyncContextManager[Pool]]
"""Opens what the implementations need, yields the pool, closes it again."""
