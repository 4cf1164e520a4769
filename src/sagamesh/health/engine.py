"""The looks at the Temporal server: it answers, and knows this very process as a poller of each of its queues."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from sagamesh.health.watch import Problem
from sagamesh.polled_queue import Queue, pollers_of

__all__ = ["FRESH", "answers", "is_polled", "polled", "queues_of"]

FRESH: Final = timedelta(seconds=75)
"""A poller that was not seen for this long polls no more. One that finds nothing asks again within 60 seconds."""

_SKEW: Final = timedelta(seconds=5)
"""How far the server's clock may be behind this process's."""

_ANSWER: Final = timedelta(seconds=5)


def queues_of(worker: Worker) -> list[Queue]:
    """What a worker polls."""
    config = worker.config()
    queues: list[Queue] = []
    if config.get("workflows"):
        queues.append((worker.task_queue, "workflows"))
    if config.get("activities"):
        queues.append((worker.task_queue, "activities"))
    return queues


async def answers(client: Client) -> None:
    """Return when the server answers.

    Raises:
        Problem: when it does not.
    """
    try:
        await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=_ANSWER)
    except RPCError as error:
        raise Problem(f"the Temporal server does not answer: {error}", certain=False) from None


async def polled(client: Client, queue: Queue, started: datetime) -> None:
    """Return when the server knows this process as a poller of the queue.

    Raises:
        Problem: when it does not, or cannot be asked.
    """
    try:
        pollers = await pollers_of(client, queue, timeout=_ANSWER)
    except RPCError as error:
        raise Problem(f"the Temporal server answers: {error}", certain=False) from None
    if not is_polled(pollers, client.identity, started=started, now=datetime.now(UTC)):
        raise Problem("it is not polled by this process")


def is_polled(pollers: Iterable[PollerInfo], identity: str, *, started: datetime, now: datetime) -> bool:
    """Whether one of the pollers is the process of this identity that began at `started`.

    The server remembers pollers for minutes, and a restarted container has the identity of the one before it.
    """
    earliest = max(started - _SKEW, now - FRESH)
    return any(
        poller.identity == identity and poller.last_access_time.ToDatetime(tzinfo=UTC) >= earliest for poller in pollers
    )
