"""The payloads that lie anywhere in one of the engine's messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter

__all__ = ["NEVER_ENCODED", "decode_payloads", "encodes"]

NEVER_ENCODED = frozenset({"header", "search_attributes"})
"""Fields whose payloads the engine itself reads, so that no codec touches them."""


def encodes(converter: DataConverter) -> bool:
    """Whether payloads may be anything else than what the code wrote: encoded by a codec, or stored elsewhere."""
    return converter.payload_codec is not None or converter.external_storage is not None


async def decode_payloads(
    message: Message, converter: DataConverter, *, leaving: AbstractSet[str] = NEVER_ENCODED
) -> None:
    """Put what the code wrote in the place of each payload of the message, except in the fields named `leaving`."""
    for payload in _payloads(message, leaving):
        [raw] = await converter.decode([payload], [RawValue])
        payload.CopyFrom(raw.payload)


def _payloads(message: Message, leaving: AbstractSet[str]) -> Iterator[Payload]:
    if isinstance(message, Payload):
        yield message
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None or descriptor.name in leaving:
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
                yield from _payloads(inner, leaving)
