"""Fetching the explanations of a task. Needs no worker."""

from __future__ import annotations

import asyncio
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter

from sagamesh.routing.explanation import Explanation, explain
from sagamesh.timeline import opened

__all__ = ["load_explanations"]


async def load_explanations(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> tuple[Explanation, ...]:
    """The routing decisions of a task, in their order, from its history and what the server knows of pending calls.

    Raises:
        temporalio.service.RPCError: when there is no such task, or the server does not answer.
    """

    async def events() -> list[Any]:
        return [await opened(event, converter) async for event in handle.fetch_history_events()]

    history, described = await asyncio.gather(events(), handle.describe())
    description = await opened(described.raw_description, converter)
    return explain(handle.id, history, description=description, converter=converter)
