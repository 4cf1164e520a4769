"""Which worker processes serve a queue: who polled it of late, corrected by what workers tell of themselves.

A process whose slots are all taken does not poll, and one that was told to stop has polled a moment ago.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.workflowservice.v1 import DescribeWorkerRequest, ListWorkersRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.discovery import QueueState

__all__ = ["Told", "ask_workers", "correct", "with_presence"]

_SLACK: Final = timedelta(seconds=15)
"""How much later than usual a worker may tell of itself before it is taken for dead."""

_AT_MOST: Final = timedelta(seconds=59)
"""Whatever is usual for a worker: one that is dead must be known to be within a minute."""

_DEFAULT: Final = timedelta(seconds=60)
"""How often a worker tells of itself where nothing is known yet; processes of Sagamesh do so more often."""

_UNKNOWN: Final = (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.NOT_FOUND)
_STOPPING: Final = (WorkerStatus.WORKER_STATUS_SHUTTING_DOWN, WorkerStatus.WORKER_STATUS_SHUTDOWN)
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """What one worker has told the server of itself.

    - `identity`: its process, as pollers name it.
    - `running`: whether it takes work, or is about to stop; `at`: when it told so, None where that was not asked.
    - `every`: how often it tells.
    """

    identity: str
    running: bool
    at: datetime | None = None
    every: timedelta = _DEFAULT


def correct(polled: Collection[str], told: Iterable[Told], now: datetime) -> tuple[str, ...]:
    """The processes that serve a queue.

    - `polled`: the identities that polled it of late; `told`: what its workers have told.
    """
    running: set[str] = set()
    stopping: set[str] = set()
    beating: set[str] = set()
    for each in told:
        (running if each.running else stopping).add(each.identity)
        if each.running and each.at is not None and now - each.at < min(each.every + _SLACK, _AT_MOST):
            beating.add(each.identity)
    # A process that was started again may have the identity of the one before it.
    return tuple(sorted((set(polled) - (stopping - running)) | beating))


async def with_presence(client: Client, states: Sequence[QueueState]) -> list[QueueState]:
    """The same queues, each with the processes that really serve it.

    Raises:
        temporalio.service.RPCError: when the server does not answer.
    """
    told = await ask_workers(client, {state.queue: state.workers for state in states})
    now = datetime.now(UTC)
    return [replace(state, workers=correct(state.workers, told.get(state.queue, ()), now)) for state in states]


async def ask_workers(client: Client, polled: Mapping[str, Collection[str]]) -> dict[str, list[Told]]:
    """What the workers of these queues have told, by queue; nothing from a server that keeps no list of workers.

    - `polled`: the queues, with those who polled them of late: when they last told is not asked, being known better.

    Raises:
        temporalio.service.RPCError: when the server does not answer.
    """
    found: dict[str, list[Told]] = {}
    request = ListWorkersRequest(namespace=client.namespace, page_size=_PAGE)
    while True:
        try:
            answer = await client.workflow_service.list_workers(request)
        except RPCError as error:
            if error.status in _UNKNOWN:
                return {}
            raise
        for worker in answer.workers:
            if worker.task_queue in polled:
                running = worker.status not in _STOPPING
                silent = running and worker.worker_identity not in polled[worker.task_queue]
                told = Told(worker.worker_identity, running)
                if silent:
                    told = await _with_heartbeat(client, worker.worker_instance_key, told)
                found.setdefault(worker.task_queue, []).append(told)
        if not answer.next_page_token:
            return found
        request.next_page_token = answer.next_page_token


async def _with_heartbeat(client: Client, instance: str, told: Told) -> Told:
    request = DescribeWorkerRequest(namespace=client.namespace, worker_instance_key=instance)
    try:
        answer = await client.workflow_service.describe_worker(request)
    except RPCError as error:
        if error.status in _UNKNOWN:  # forgotten meanwhile
            return told
        raise
    beat = answer.worker_info.worker_heartbeat
    every = beat.elapsed_since_last_heartbeat.ToTimedelta()
    return replace(told, at=beat.heartbeat_time.ToDatetime(tzinfo=UTC), every=every or _DEFAULT)
