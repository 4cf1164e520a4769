"""What is written beside a call for those who have no contract: how its step is undone, and whose effect it is.

Headers are never encrypted; these hold names and durations only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from sagamesh.capability import Capability
from sagamesh.compatibility import UNDO_VERSION, version_payload
from sagamesh.routing.terms import Terms

__all__ = ["PIVOT", "TASK", "UNDONE_BY", "is_pivot", "task_of", "undo_headers", "undo_of"]

UNDONE_BY: Final = "sagamesh-undo"
"""On a step: the terms of its undo, as JSON."""

PIVOT: Final = "sagamesh-pivot"
"""On the pivot."""

TASK: Final = "sagamesh-task"
"""On a call that somebody makes for a task: the task's id, which the effect's key begins with."""


def undo_headers(undo: object, converter: PayloadConverter) -> dict[str, Payload]:
    """The headers for a step with this undo. The version has one of its own, which a replay does not compare."""
    if not isinstance(undo, Capability):
        raise TypeError(f"an undo is a capability, not {type(undo).__name__}")
    headers = {UNDONE_BY: converter.to_payload(Terms.of(undo))}
    if undo.version:
        headers[UNDO_VERSION] = version_payload(undo.version)
    return headers


def undo_of(headers: Mapping[str, Payload]) -> Terms | None:
    """How a step is undone; None for a step without an undo."""
    payload = headers.get(UNDONE_BY)
    if payload is None:
        return None
    try:
        return Terms.model_validate_json(payload.data)
    except ValidationError as error:
        raise ValueError(f"the header {UNDONE_BY} is none of this version: {error}") from error


def is_pivot(headers: Mapping[str, Payload]) -> bool:
    """Whether the call is the pivot."""
    return PIVOT in headers


def task_of(headers: Mapping[str, Payload]) -> str:
    """The task for which a call is made by another; empty for a task's own call."""
    payload = headers.get(TASK)
    return "" if payload is None else payload.data.decode()
