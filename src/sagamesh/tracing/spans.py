"""What spans say: which task and call they belong to, why something failed, and nothing of anybody's data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode

from sagamesh.whereabouts import whereabouts

__all__ = ["REASON", "Placed", "Reserved"]

REASON: Final = "error.type"
"""The attribute with the type of what went wrong, by the semantic conventions of OpenTelemetry."""

_EXCEPTION: Final = "exception"
_TYPE: Final = "exception.type"
_ATTRIBUTES: Final = {
    "task": "sagamesh.task.id",
    "run": "sagamesh.run.id",
    "type": "sagamesh.task.type",
    "agent": "sagamesh.agent",
    "capability": "sagamesh.capability",
    "attempt": "sagamesh.attempt",
}


class Placed(SpanProcessor):
    """Tells each span that begins in a task or a call which it is, those of libraries included."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """As the base class says."""
        if found := whereabouts():
            span.set_attributes({_ATTRIBUTES[name]: value for name, value in found.items()})


class Reserved(SpanExporter):
    """Sends spans on, errors without their messages and stack traces: those may repeat what somebody sent.

    - `failed`: whether the last batch could not be sent.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the base class says."""
        result = self._exporter.export([_reserved(span) for span in spans])
        self.failed = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """As the base class says."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the base class says."""
        return self._exporter.force_flush(timeout_millis)


def _reserved(span: ReadableSpan) -> ReadableSpan:
    raised = [event for event in span.events if event.name == _EXCEPTION]
    if not raised and not span.status.description:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[_only_type(event) if event.name == _EXCEPTION else event for event in span.events],
        links=span.links,
        kind=span.kind,
        status=_by_reason(span, raised),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _only_type(event: Event) -> Event:
    known = event.attributes or {}
    return Event(event.name, {_TYPE: known[_TYPE]} if _TYPE in known else {}, event.timestamp)


def _by_reason(span: ReadableSpan, raised: Sequence[Event]) -> Status:
    if span.status.status_code is not StatusCode.ERROR:
        return Status(span.status.status_code)
    reason = (span.attributes or {}).get(REASON) or next(
        ((event.attributes or {}).get(_TYPE) for event in reversed(raised)), None
    )
    return Status(StatusCode.ERROR, str(reason) if reason else None)
