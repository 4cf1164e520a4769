"""Fetching a task's history, with payloads as the code once wrote them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter

from sagamesh.payloads import decode_payloads, encodes
from sagamesh.timeline.reader import Timeline, timeline

__all__ = ["load_history", "load_timeline", "opened"]

M = TypeVar("M", bound=Message)


async def load_timeline(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> Timeline:
    """The timeline of a task, from its history and what the server knows of pending calls. Needs no worker.

    Raises:
        temporalio.service.RPCError: when there is no such task, or the server does not answer.
    """
    history, description = await load_history(handle, converter)
    return timeline(history, now=datetime.now(UTC), description=description, converter=converter)


async def load_history(
    handle: WorkflowHandle[Any, Any], converter: DataConverter
) -> tuple[list[HistoryEvent], DescribeWorkflowExecutionResponse]:
    """The events of a task, and what the server knows of pending calls, both opened.

    Raises:
        temporalio.service.RPCError: when there is no such task, or the server does not answer.
    """

    async def events() -> list[HistoryEvent]:
        return [await opened(event, converter) async for event in handle.fetch_history_events()]

    history, described = await asyncio.gather(events(), handle.describe())
    return history, await opened(described.raw_description, converter)


async def opened(message: M, converter: DataConverter) -> M:
    """The message with each payload that a codec encoded or external storage holds put in its place."""
    if not encodes(converter):
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    await decode_payloads(copy, converter)
    return copy
