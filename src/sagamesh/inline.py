"""Inline hosting: one process that hosts tasks and runs the short calls of the agents that it serves on the spot.

A call on the spot is one of the engine's local activities: it leaves no trace in the history until the task's code
rests, and when its process dies before that, the code begins again where the history ends. What has happened meanwhile
must not be forgotten then. So a call begins on the spot only when every answer that led to it is in the history
already; any other is an activity on the task's own queue, which brings the history up to date before it begins. And a
cancel request or deadline takes effect only when nothing runs on the spot: the code that begins again must not be
stopped before it comes to what it had begun the first time.

So a task that runs inline is stopped later than on a queue: a cancel or deadline counts once the code rests, and a
deadline begins to run when the code rests for the first time.

A call that fails on the spot, and may be tried again, goes on as an activity on that queue, with the pauses and
attempts of its policy: a pause must survive the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError, RetryState
from temporalio.worker import ActivityInboundInterceptor, Interceptor, Worker

from sagamesh.errors import Unserved
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.slots import fixed, together, tuner

if TYPE_CHECKING:
    from sagamesh.pool import Pool

__all__ = [
    "Spot",
    "catch_up",
    "check_inline",
    "inline_queue",
    "inline_workers",
    "on_the_spot",
    "recorded",
    "runs_inline",
    "spot",
]

_SUFFIX: Final = ".inline"


def inline_queue(queue: str) -> str:
    """The queue on which the tasks of this queue are started to run inline."""
    return queue + _SUFFIX


def runs_inline() -> bool:
    """Whether the running task was started to call inline capabilities on the spot.

    It follows from the queue that the task was started on, which its history holds, so that a replay decides alike
    wherever it runs.
    """
    return workflow.info().task_queue.endswith(_SUFFIX)


@dataclass(slots=True)
class Spot:
    """What one task that runs inline has not in its history yet.

    - `unrecorded`: an answer has reached the code, or an update, and nothing that was recorded after it.
    - `running`: calls that run on the spot.
    """

    unrecorded: bool = False
    running: int = 0
    _noted: int = -1

    def note(self) -> None:
        """Something has reached the code that the history does not hold before the code rests."""
        self.unrecorded = True
        self._noted = _recorded_events()

    def settle(self) -> None:
        """Something was recorded after all that was noted in an earlier turn; what came in this one was not."""
        if _recorded_events() > self._noted:
            self.unrecorded = False

    @property
    def quiet(self) -> bool:
        """Whether nothing runs on the spot."""
        return not self.running


def _recorded_events() -> int:
    # A branch may also end because the task leaves this process's memory; then there is no workflow any more.
    return workflow.info().get_current_history_length() if workflow.in_workflow() else 0


_NAME: Final = "_sagamesh_spot"


def spot() -> Spot:
    """The spot of the running task."""
    known: Spot | None = getattr(workflow.instance(), _NAME, None)
    if known is None:
        known = Spot()
        setattr(workflow.instance(), _NAME, known)
    return known


async def catch_up() -> None:
    """Let the history come up to date with what was done on the spot."""
    here = spot()
    while here.unrecorded:
        await workflow.sleep(timedelta(milliseconds=1), summary="until all is recorded")
        here.settle()


def on_the_spot(
    type: str,
    call: asyncio.Task[RawValue],
    *,
    pause: timedelta,
    once: bool,
    again: Callable[[], asyncio.Task[RawValue]],
) -> asyncio.Task[RawValue]:
    """Follow a call that has begun on the spot; when it fails, try `again` after a pause.

    It fails as a call on a queue does: with an `ActivityError` that names its type and carries the cause.

    - `pause`: where the failure does not ask for another.
    - `once`: the policy has no second attempt; what a breaker refused was none.
    - `again`: puts the call on the task's own queue.
    """
    here = spot()
    here.running += 1

    async def follow() -> RawValue:
        try:
            return await call
        except FailureError as error:
            # The engine hands on what failed on the spot without saying which call it was.
            cause = (error.cause or error) if isinstance(error, ActivityError) else error
            known = cause if isinstance(cause, ApplicationError) else None
            final = _is_final(cause)
            if final or (once and (known is None or known.type != BREAKER_OPEN)):
                raise _failed(type, final=final) from cause
            asked = known.next_retry_delay if known is not None else None
        finally:
            here.running -= 1
            here.note()
        await workflow.sleep(asked or pause, summary="until the next attempt")
        return await recorded(again())

    return asyncio.create_task(follow())


def recorded(call: asyncio.Task[RawValue]) -> asyncio.Task[RawValue]:
    """Follow a call on a queue: with its answer the history is up to date."""
    here = spot()

    async def follow() -> RawValue:
        try:
            return await call
        finally:
            here.settle()

    return asyncio.create_task(follow())


def _is_final(cause: BaseException) -> bool:
    if isinstance(cause, ApplicationError):
        return cause.non_retryable
    return isinstance(cause, CancelledError)


def _failed(type: str, *, final: bool) -> ActivityError:
    return ActivityError(
        "Activity task failed",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=type,
        activity_id="",
        retry_state=RetryState.NON_RETRYABLE_FAILURE if final else RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )


def check_inline(pools: Sequence[Pool]) -> None:
    """Refuse to host tasks inline without the agents whose capabilities they would call on the spot.

    Raises:
        Unserved: naming the task and the agents, or that none of these pools hosts a task.
    """
    served = {pool.agent.queue for pool in pools if pool.agent is not None}
    hosts = [pool for pool in pools if pool.workflows]
    if not hosts:
        raise Unserved("inline hosting needs a pool that hosts tasks in the same process, beside the agents' pools")
    for pool in hosts:
        for hosted in pool.workflows:
            needed = {
                agent.queue
                for agent in hosted.task.uses
                if any(capability.policy.inline for capability in agent.capabilities.values())
            }
            if missing := sorted(needed - served):
                raise Unserved(
                    f"task {hosted.task.name} calls {', '.join(missing)} inline: serve {', '.join(missing)} in the "
                    "same process"
                )


def inline_workers(client: Client, pools: Sequence[Pool]) -> list[Worker]:
    """The engine's workers for the tasks of these pools when they run inline, not yet running.

    They serve the inline capabilities of those pools that serve agents. For other capabilities, and for tasks that were
    started on a plain queue, the pools' own workers run beside them.

    Raises:
        Unserved: as `check_inline`.
    """
    check_inline(pools)
    agents = [pool for pool in pools if pool.inline_activities()]
    slots = together(agent.capacity for agent in agents)
    return [
        Worker(
            client,
            task_queue=inline_queue(pool.queue),
            workflows=pool.workflows,
            activities=[implementation for agent in agents for implementation in agent.inline_activities()],
            interceptors=[_ByAgent({each.agent.name: each.interceptors(client) for each in agents if each.agent})],
            # One process serves as many calls as its pools would.
            max_concurrent_activities=fixed(slots),
            max_concurrent_local_activities=fixed(slots),
            tuner=tuner(slots, local=slots),
            graceful_shutdown_timeout=max(each.grace for each in pools),
            # Like the pool's own worker, so that promoting a version moves both queues of its tasks at once.
            deployment_config=pool.deployment,
            workflow_task_poller_behavior=pool.polling,
            activity_task_poller_behavior=pool.polling,
        )
        for pool in pools
        if pool.workflows
    ]


class _ByAgent(Interceptor):
    """Puts around a call what its agent's own pool would: nothing of the others', whose time it would cost."""

    def __init__(self, interceptors: Mapping[str, Sequence[Interceptor]]) -> None:
        self._interceptors = interceptors

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        agent = activity.info().activity_type.partition(".")[0]
        for interceptor in reversed(self._interceptors.get(agent, ())):
            next = interceptor.intercept_activity(next)
        return next
