"""How models become payloads: pydantic JSON that any Temporal SDK can read, with errors that end instead of repeat."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
)
from temporalio.exceptions import ApplicationError

from sagamesh.failure import field_problems

__all__ = ["LARGEST_PAYLOAD", "data_converter"]

LARGEST_PAYLOAD = 2 * 1024 * 1024 - 64 * 1024
"""Bytes of JSON in one payload. The server refuses 2 MiB; the difference is for an encrypting codec and headers."""


class CheckedJSONConverter(PydanticJSONPlainPayloadConverter):
    """Pydantic JSON whose errors are final.

    The engine retries an unreadable or oversized payload for ever, because to it the failure looks like a bug that the
    next deployment mends. To whoever sent the order it is an answer, so it is made one: `InvalidInput` naming the
    fields, or `PayloadTooLarge` with the sizes, both non-retryable.
    """

    def to_payload(self, value: Any) -> Payload | None:
        """As the base class; raises ApplicationError `PayloadTooLarge`."""
        payload = super().to_payload(value)
        if payload is not None and len(payload.data) > LARGEST_PAYLOAD:
            sizes = {"bytes": len(payload.data), "limit": LARGEST_PAYLOAD}
            message = f"{type(value).__name__} has {sizes['bytes']:,} bytes of JSON; at most {LARGEST_PAYLOAD:,} fit"
            raise ApplicationError(message, sizes, type="PayloadTooLarge", non_retryable=True)
        return payload

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """As the base class; raises ApplicationError `InvalidInput` with the fields in its details."""
        try:
            # A model brings its own validator; the base class would build an adapter around it in each run of a task.
            if isinstance(type_hint, type) and issubclass(type_hint, BaseModel):
                return type_hint.model_validate_json(payload.data)
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            fields = field_problems(error)
            raise ApplicationError(
                f"{error.title} is not valid: " + "; ".join(map(str, fields)),
                {"fields": [field.model_dump() for field in fields]},
                type="InvalidInput",
                non_retryable=True,
            ) from None


class CheckedPayloadConverter(CompositePayloadConverter):
    """The engine's default converters with JSON by pydantic, checked."""

    def __init__(self) -> None:
        super().__init__(*_CONVERTERS)


# Made once: the engine makes a payload converter for each task, and two more each time that one goes on. The cache of
# adapters is small because a type that was loaded in a task's sandbox lives as long as its entry.
_JSON = CheckedJSONConverter(max_cached_type_adapters=64)
_CONVERTERS = tuple(
    _JSON if isinstance(converter, JSONPlainPayloadConverter) else converter
    for converter in DefaultPayloadConverter.default_encoding_payload_converters
)


data_converter = DataConverter(payload_converter_class=CheckedPayloadConverter)
"""The converter of every client, worker, replayer and test of Sagamesh."""
