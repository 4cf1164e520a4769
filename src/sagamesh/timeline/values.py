"""Reading the values in a history: times, JSON, failures."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure as EngineFailure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from sagamesh.failure import Failure, failure_of

__all__ = ["Values", "moment"]

_JSON = ("json/plain", "json/protobuf")


def moment(stamp: Timestamp) -> datetime:
    """A timestamp of the engine, in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


class Values:
    """Reads payloads and failures with the client's converter; payloads must have been decoded by its codec."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    def value(self, payload: Payload) -> Any:
        """The JSON value of a payload; for another encoding a note of what it is."""
        encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
        if encoding == "binary/null":
            return None
        if encoding not in _JSON:
            return f"({len(payload.data):,} bytes, {encoding or 'of no known encoding'})"
        try:
            return json.loads(payload.data)
        except ValueError:
            return f"({len(payload.data):,} bytes that are no JSON)"

    def first(self, payloads: Payloads) -> Any:
        """The value of the first payload; None when there is none."""
        return self.value(payloads.payloads[0]) if payloads.payloads else None

    def summary(self, event: HistoryEvent) -> str:
        """What the author of the event wrote beside it for people."""
        if not event.user_metadata.HasField("summary"):
            return ""
        summary = self.value(event.user_metadata.summary)
        return summary if isinstance(summary, str) else ""

    def failure(self, failure: EngineFailure, *, step: str = "") -> Failure:
        """A failure as `failure_of` reads it; `step` is the call that failed, where the failure does not say."""
        converter = self._converter
        read = failure_of(converter.failure_converter.from_failure(failure, converter.payload_converter))
        return read if read.step or not step else read.model_copy(update={"step": step})
