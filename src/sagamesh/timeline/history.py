"""Fetching a task's history, with payloads as the code once wrote them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from sagamesh.timeline.reader import Timeline, timeline

__all__ = ["load_timeline", "opened"]

M = TypeVar("M", bound=Message)

_NEVER_ENCODED = frozenset({"header", "search_attributes"})


async def load_timeline(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> Timeline:
    """The timeline of a task, from its history and what the server knows of pending calls. Needs no worker.

    Raises:
        temporalio.service.RPCError: when there is no such task, or the server does not answer.
    """

    async def events() -> list[Any]:
        return [await opened(event, converter) async for event in handle.fetch_history_events()]

    history, described = await asyncio.gather(events(), handle.describe())
    description = await opened(described.raw_description, converter)
    return timeline(history, now=datetime.now(UTC), description=description, converter=converter)


async def opened(message: M, converter: DataConverter) -> M:
    """The message with each payload that a codec encoded or external storage holds put in its place."""
    if converter.payload_codec is None and converter.external_storage is None:
        return message
    copy = type(message)()
    copy.CopyFrom(message)
    for payload in _payloads(copy):
        [raw] = await converter.decode([payload], [RawValue])
        payload.CopyFrom(raw.payload)
    return copy


def _payloads(message: Message) -> Iterator[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None or descriptor.name in _NEVER_ENCODED:
            continue
        held: Iterable[Any]
        if descriptor.message_type.GetOptions().map_entry:
            held = value.values()
        elif isinstance(value, Message):
            held = (value,)
        else:
            held = value
        for inner in held:
            if isinstance(inner, Message):
                yield from _payloads(inner)
