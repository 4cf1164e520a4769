"""The workflow that keeps one lock, and the activity by which tasks ask it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError

from sagamesh.locks import queue
from sagamesh.locks.messages import (
    GRANTED,
    LEAVE,
    LOCK,
    RENEW,
    REQUEST,
    STATUS,
    Grant,
    Holder,
    LockRequest,
    LockStatus,
    Waiter,
    lock_id,
)
from sagamesh.system_queue import SYSTEM_QUEUE

__all__ = ["Lock", "Locks"]

_LINGER: Final = timedelta(seconds=10)
"""How long a lock that nobody wants stays. The next one gives out fences by the clock, perhaps of another server host:
clocks may differ by less than this."""


@workflow.defn(name=LOCK)
class Lock:
    """Keeps one lock: a fair queue, and a lease that ends by a timer when nobody renews it.

    Answers go to a task by its id, whichever run that is: a task that was reset while it waited waits on. One that has
    ended cannot be told, and the next in the queue is.
    """

    @workflow.init
    def __init__(self, lock: LockStatus) -> None:
        self._lock = lock
        self._told = 0 if lock.holder is None else lock.holder.fence
        self._answers: list[tuple[str, Grant]] = []
        self._news = True
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at: datetime | None = None

    @workflow.run
    async def run(self, lock: LockStatus) -> None:
        """Keep the lock until nobody has wanted it for a while."""
        idle_since: datetime | None = None
        while True:
            await self._settle()
            # From here to the end of the turn nothing is awaited, so nothing that was received is left behind: what
            # comes in while the server takes the end of this run makes the engine ask for another turn.
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(self._lock)
            now = workflow.now()
            idle = self._lock.holder is None and not self._lock.waiting
            idle_since = (idle_since or now) if idle else None
            if idle_since is not None and now >= idle_since + _LINGER:
                return
            self._wake(queue.due(self._lock) if idle_since is None else idle_since + _LINGER)
            await workflow.wait_condition(lambda: self._news)

    @workflow.signal(name=REQUEST)
    def request(self, waiter: Waiter) -> None:
        """Somebody wants the lock."""
        self._lock = queue.asked(self._lock, waiter)
        self._news = True

    @workflow.signal(name=LEAVE)
    def leave(self, request: str) -> None:
        """Somebody gives the lock back, or waits no longer."""
        self._lock = queue.left(self._lock, request)
        self._news = True

    @workflow.signal(name=RENEW)
    def renew(self, waiter: Waiter) -> None:
        """The holder asks for its lease to begin again; it is told until when, or that it has lost the lock."""
        self._lock = queue.renewed(self._lock, waiter.request, workflow.now())
        holder = self._lock.holder
        kept = holder is not None and holder.request == waiter.request and holder.until > workflow.now()
        grant = Grant(lock=self._lock.name, request=waiter.request)
        if kept and holder is not None:
            grant = _grant(self._lock.name, holder)
        self._answers.append((waiter.task_id, grant))
        self._news = True

    @workflow.query(name=STATUS, description="Who holds the lock, who waits, and the last fence")
    def status(self) -> LockStatus:
        """How the lock stands."""
        return self._lock

    async def _settle(self) -> None:
        """Grant what can be granted, and tell everybody who is to be told."""
        while self._news:
            self._news = False
            now = workflow.now()
            self._lock = queue.granted(queue.expired(self._lock, now), now)
            holder = self._lock.holder
            if holder is not None and holder.fence > self._told:
                self._told = holder.fence
                self._answers.append((holder.task_id, _grant(self._lock.name, holder)))
            while self._answers:
                task_id, grant = self._answers.pop(0)
                if not await _tell(task_id, grant):
                    self._lock = queue.left(self._lock, grant.request)
                self._news = True

    def _wake(self, at: datetime | None) -> None:
        """Look again at that time. An alarm that rings too early is left as it is: it costs less than another."""
        if at is None or (self._alarm is not None and self._alarm_at is not None and self._alarm_at <= at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.create_task(self._ring(at))

    async def _ring(self, at: datetime) -> None:
        await workflow.sleep(max(at - workflow.now(), timedelta(milliseconds=1)), summary="lease")
        self._alarm = None
        self._news = True


def _grant(lock: str, holder: Holder) -> Grant:
    return Grant(lock=lock, request=holder.request, fence=holder.fence, until=holder.until)


async def _tell(task_id: str, grant: Grant) -> bool:
    """Tell a task; whether it could be told."""
    try:
        await workflow.get_external_workflow_handle(task_id).signal(GRANTED, grant)
    except FailureError as error:
        level = logging.DEBUG if _is_absent(error) else logging.WARNING
        workflow.logger.log(level, "%s cannot be told about the lock: %s", task_id, error)
        return False
    return True


def _is_absent(error: FailureError) -> bool:
    return isinstance(error, ApplicationError) and error.type == "ExternalWorkflowExecutionNotFound"


class Locks:
    """Serves the activity by which tasks ask for a lock."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """For the worker of the framework's own parts."""
        return [self.request]

    @activity.defn(name=REQUEST)
    async def request(self, request: LockRequest) -> str:
        """Put the calling task into the lock's queue, and return the name of its request. Repeats are one request."""
        info = activity.info()
        # The run that asks is in the name, so that a task which continues as new does not take the old one's answers.
        name = f"{info.workflow_id}/{info.workflow_run_id}/{info.activity_id}"
        waiter = Waiter(
            request=name,
            task_id=info.workflow_id or "",
            lease_seconds=request.lease_seconds,
            since=info.scheduled_time,
        )
        await self._client.start_workflow(
            LOCK,
            LockStatus(name=request.name),
            id=lock_id(request.name),
            task_queue=SYSTEM_QUEUE,
            start_signal=REQUEST,
            start_signal_args=[waiter],
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        return name
