"""The server's own gate of a queue of calls: how many a second it lets through, and why."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final

from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimitConfig, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, UpdateTaskQueueConfigRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.breaker.fleet import Hold, keeper_id
from sagamesh.breaker.notice import OURS, Notice, read_before, read_notices, with_before
from sagamesh.message import Message

__all__ = ["HOLD", "LOST", "Former", "Gate", "Held", "HoldRequest", "holding", "look"]

HOLD: Final = "sagamesh.breaker_hold"

LOST: Final = "sagamesh.breaker_lost"

_SETTLES: Final = 1.0
"""Seconds within which a queue's configuration is seen as it was set."""

_log = logging.getLogger("sagamesh.breaker")


class Former(Message):
    """A rate that somebody else had set for the queue, and why; it comes back when the breaker lets go."""

    rate: float
    reason: str


class HoldRequest(Message):
    """Hold the queue so, or let it go; then the former rate applies again.

    - `former`: that rate, as the keeper knows it. What the queue's own reason says of it counts before that.
    """

    hold: Hold
    former: Former | None = None


class Held(Message):
    """What has become of a request.

    - `former`: the rate that somebody else had set, and that comes back.
    - `stands`: the queue is held now; false where it was let go, and where the server cannot hold any.
    """

    former: Former | None = None
    stands: bool = False


async def look(client: Client, queue: str) -> dict[str, Notice]:
    """The breakers that hold a queue, by key, as the server knows it.

    Raises:
        temporalio.service.RPCError: when the server does not answer.
    """
    return holding(await _config(client, queue))


def holding(limit: RateLimitConfig) -> dict[str, Notice]:
    """The breakers of which a queue's configuration tells."""
    return read_notices(limit.metadata.reason) if limit.HasField("rate_limit") else {}


class Gate:
    """Turns a queue's rate up and down."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """What a worker registers."""
        return [self.hold, self.lost]

    @activity.defn(name=HOLD)
    async def hold(self, request: HoldRequest) -> Held:
        """Hold a queue, or let it go. What somebody else has set meanwhile, a rate or none, is what comes back."""
        hold, former = request.hold, request.former
        try:
            now = await _config(self._client, hold.queue)
            former = _former(now, former)
            if hold.rate is None:
                await self._let_go(hold, former)
                return Held()
            reason = _reason(hold, former)
            if hold.fresh:
                # From a standstill the first call waits for a whole interval; else one might pass at once.
                await self._set(hold.queue, 0.0, reason)
            await self._set(hold.queue, hold.rate, reason)
            await self._settled(hold.queue, reason)
        except RPCError as error:
            if error.status is not RPCStatusCode.UNIMPLEMENTED:
                raise
            _log.warning("queue %s is not held for the fleet: the server cannot (%s)", hold.queue, error.message)
            return Held(former=former)
        return Held(former=former, stands=True)

    @activity.defn(name=LOST)
    async def lost(self, queue: str) -> None:
        """End when the queue is no longer held, because somebody has set another rate for it, or none.

        Raises:
            ApplicationError: while it is held; the server asks again, which adds nothing to the history.
        """
        if _ours(await _config(self._client, queue)):
            raise ApplicationError("it is held", type="StillHeld", category=ApplicationErrorCategory.BENIGN)
        _log.warning("queue %s: its rate was changed while a breaker holds it; it is held again", queue)

    async def _let_go(self, hold: Hold, former: Former | None) -> None:
        rate, reason = (None, f"sagamesh: {hold.reason}") if former is None else (former.rate, former.reason)
        await self._set(hold.queue, rate, reason)
        await self._settled(hold.queue, reason)

    async def _settled(self, queue: str, reason: str) -> None:
        """Wait until what was set is seen: it comes a little later, and who looks sooner takes the old for another's.

        Not for long, because somebody may have set another rate at this moment.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLES):
                while (await _config(self._client, queue)).metadata.reason != reason:  # noqa: ASYNC110  # the server's
                    await asyncio.sleep(0.01)

    async def _set(self, queue: str, rate: float | None, reason: str) -> None:
        request = UpdateTaskQueueConfigRequest(
            namespace=self._client.namespace,
            identity=keeper_id(queue),
            task_queue=queue,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        request.update_queue_rate_limit.reason = reason
        if rate is not None:
            request.update_queue_rate_limit.rate_limit.requests_per_second = rate
        await self._client.workflow_service.update_task_queue_config(request)


def _ours(limit: RateLimitConfig) -> bool:
    return limit.HasField("rate_limit") and limit.metadata.reason.startswith(OURS)


def _former(limit: RateLimitConfig, known: Former | None) -> Former | None:
    """The rate that somebody else wants for the queue.

    While the queue is held it stands in the reason, where no process can lose it: one that is killed after it has set
    our rate has told nobody else. It is `known` where the reason does not say it, as an earlier version's does not.
    """
    if not _ours(limit):
        if not limit.HasField("rate_limit"):
            return None
        return Former(rate=limit.rate_limit.requests_per_second, reason=limit.metadata.reason)
    told = read_before(limit.metadata.reason)
    if told is None:
        return known
    rate, why = told
    return None if rate is None else Former(rate=rate, reason=why)


def _reason(hold: Hold, former: Former | None) -> str:
    rate, why = (None, "") if former is None else (former.rate, former.reason)
    return with_before(hold.reason, rate, why)


async def _config(client: Client, queue: str) -> RateLimitConfig:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_config=True,
    )
    return (await client.workflow_service.describe_task_queue(request)).config.queue_rate_limit
