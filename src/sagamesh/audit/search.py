"""Reading the histories that hold decisions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.audit.records import Record, records
from sagamesh.errors import TaskNotFound
from sagamesh.locks.messages import LOCK
from sagamesh.reply import reply
from sagamesh.supervision import supervisor_id
from sagamesh.timeline import opened

__all__ = ["Found", "audit_all", "audit_task"]

_AT_A_TIME: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """Decisions, the oldest first. `looked_at`: runs whose history was read; `complete`: whether that was all."""

    records: tuple[Record, ...]
    looked_at: int
    complete: bool


async def audit_task(client: Client, task_id: str) -> Found:
    """The decisions about one task and, where it has one, its supervisor, in all runs that the server still knows.

    Raises:
        TaskNotFound: when the server knows no such task (any more).
        ServerUnreachable: when it does not answer.
    """
    names = " OR ".join(f"WorkflowId = '{name}'" for name in (task_id, supervisor_id(task_id)))
    found = await _search(client, names, limit=1000)
    if not found.looked_at:
        raise TaskNotFound(
            f"no task has the id {task_id}, or the server has forgotten it: histories end with retention"
        )
    return found


async def audit_all(client: Client, *, since: datetime | None, limit: int) -> Found:
    """The decisions about all tasks and breakers that ran at that time or later; of more than `limit`, the newest.

    Every history is read, for nothing else on the server says which of them hold decisions.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    query = f"WorkflowType != '{LOCK}'"
    if since is not None:
        stamp = since.isoformat()
        query += f" AND (ExecutionStatus = 'Running' OR CloseTime >= '{stamp}')"
    found = await _search(client, query, limit=limit)
    if since is None:
        return found
    return Found(tuple(each for each in found.records if each.at >= since), found.looked_at, found.complete)


async def _search(client: Client, query: str, *, limit: int) -> Found:
    listed = client.list_workflows(query, limit=limit + 1)
    runs: list[tuple[str, str]] = []
    while True:
        try:
            execution = await reply(client, anext(listed))
        except StopAsyncIteration:
            break
        runs.append((execution.id, execution.run_id))
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def look(task_id: str, run_id: str) -> list[Record]:
        async with turn:
            return await reply(client, _of(client, task_id, run_id))

    found = [each for records in await asyncio.gather(*(look(*run) for run in runs[:limit])) for each in records]
    # A run that was reset holds what the one before had noted until then, in the same words.
    first: dict[tuple[object, ...], Record] = {}
    for each in sorted(found, key=lambda record: (record.at, record.task_id)):
        first.setdefault((each.task_id, each.at, each.what, each.about, each.by), each)
    return Found(tuple(first.values()), min(len(runs), limit), len(runs) <= limit)


async def _of(client: Client, task_id: str, run_id: str) -> list[Record]:
    handle = client.get_workflow_handle(task_id, run_id=run_id)
    try:
        events = [await opened(event, client.data_converter) async for event in handle.fetch_history_events()]
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # deleted since it was listed
            return []
        raise
    return records(events, task_id, converter=client.data_converter)
