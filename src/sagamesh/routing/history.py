"""Fetching the explanations of a task. Needs no worker."""

from __future__ import annotations

from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.converter import DataConverter

from sagamesh.routing.explanation import Explanation, explain
from sagamesh.timeline import load_history

__all__ = ["load_explanations"]


async def load_explanations(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> tuple[Explanation, ...]:
    """The routing decisions of a task, in their order, from its history and what the server knows of pending calls.

    Raises:
        temporalio.service.RPCError: when there is no such task, or the server does not answer.
    """
    history, description = await load_history(handle, converter)
    return explain(handle.id, history, description=description, converter=converter)
