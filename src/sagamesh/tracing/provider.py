"""The tracer provider of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from temporalio.client import Interceptor
from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider, create_tracer_provider

from sagamesh.tracing.interceptor import Outcomes, Starts, Tracing
from sagamesh.tracing.spans import Placed, Reserved

__all__ = ["interceptors", "provide", "sent"]

_UNNAMED = "unknown_service"
"""What OpenTelemetry calls a service that the environment does not name."""


@dataclass(frozen=True, slots=True)
class _Provided:
    provider: ReplaySafeTracerProvider
    exporter: Reserved


_lock = threading.Lock()
_provided: _Provided | None = None


def provide(service: str) -> None:
    """Give this process a tracer provider that sends spans as the environment says, unless it has one.

    - `service`: the service's name where the environment gives none.
    """
    global _provided  # a process has one provider; OpenTelemetry keeps it the same way
    with _lock:
        if _provided is not None or _foreign():
            return
        exporter = Reserved(OTLPSpanExporter())
        provider = create_tracer_provider(resource=_resource(service))
        provider.add_span_processor(Placed())
        provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        _provided = _Provided(provider, exporter)


def interceptors() -> Sequence[Interceptor]:
    """What traces a client and its workers; with a provider that knows nothing of replays, the client only."""
    if isinstance(trace.get_tracer_provider(), ReplaySafeTracerProvider):
        return (Tracing(), Outcomes())
    return (Starts(), Outcomes())


def sent(within: float) -> bool:
    """Send what was not sent yet; whether all arrived within so many seconds."""
    if _provided is None:
        return True
    # The library's own flush has no limit of time.
    flushing = threading.Thread(target=_provided.provider.force_flush, name="sagamesh-spans", daemon=True)
    flushing.start()
    flushing.join(within)
    return not flushing.is_alive() and not _provided.exporter.failed


def _foreign() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _resource(service: str) -> Resource:
    found = Resource.create()
    added = {}
    if str(found.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
        added[SERVICE_NAME] = service
    build = os.environ.get("TEMPORAL_WORKER_BUILD_ID", "")
    if build and SERVICE_VERSION not in found.attributes:
        added[SERVICE_VERSION] = build
    return found.merge(Resource(added))
