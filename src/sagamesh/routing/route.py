"""Routing as a task's code sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

from sagamesh.failure import failed, failure_of
from sagamesh.message import Message
from sagamesh.routing.decision import Decision
from sagamesh.routing.need import Need
from sagamesh.routing.request import MATCH, ROUTE, Matched, MatchRequest, RouteRequest
from sagamesh.system_queue import SYSTEM_QUEUE

__all__ = ["match", "route"]

Answer = TypeVar("Answer", bound=Message)

_ATTEMPT: Final = timedelta(seconds=15)
_MARGIN: Final = timedelta(minutes=5)
"""Beyond the wait that was asked for, for a server or a framework worker that is away for a moment."""


async def route(need: Need, *, wait: timedelta = timedelta(0)) -> Decision:
    """Decide who serves a need, by the server's own figures; the decision is kept in the task's history.

        where = await route(Need(capability=inventory.reserve.type, zones=("eu", "us")), wait=minutes(2))
        await saga.step(where.on(inventory.reserve), items, undo=where.on(inventory.release))

    - `wait`: for how long to wait until somebody would do, where all that speaks against one of them may pass by itself
      (nobody alive, held, busy). What only a deployment would change is not waited for.

    Raises:
        ApplicationError: `NoRoute`, with every candidate's reasons in its message and, as `decision`, in its details;
            `UnknownName` for a capability that nobody in the mesh has, with the nearest names.
        asyncio.CancelledError, temporalio.exceptions.ActivityError: when the task was cancelled.
    """
    return await _asked(ROUTE, RouteRequest(need=need, wait_seconds=wait.total_seconds()), Decision)


async def match(request: MatchRequest) -> Matched:
    """As `route`, for a caller that knows capability and input by name and JSON only.

    Raises:
        as `route`; also `InvalidInput`, with the fields, for an input that no candidate takes.
    """
    return await _asked(MATCH, request, Matched)


async def _asked(activity: str, request: RouteRequest, returns: type[Answer]) -> Answer:
    try:
        answer: Answer = await workflow.execute_activity(
            activity,
            request,
            result_type=returns,
            task_queue=SYSTEM_QUEUE,
            start_to_close_timeout=_ATTEMPT,
            schedule_to_close_timeout=timedelta(seconds=request.wait_seconds) + _MARGIN,
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10)),
            summary=f"Who serves {request.need.capability}",
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        raise failed(failure_of(error)) from None
    return answer
