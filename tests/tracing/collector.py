"""A real receiver of spans over OTLP, and what a test asks about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from sagamesh.stack.ports import free_port
from tests.health.conftest import PATIENCE

__all__ = ["Collector", "attributes", "text_of", "tree"]


@dataclass
class Collector:
    """What has arrived."""

    endpoint: str
    spans: list[Span] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process send its spans here, and soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    async def take(self, span: Span) -> None:
        """One more."""
        async with self._news:
            self.spans.append(span)
            self._news.notify_all()

    async def until(self, wanted: Callable[[list[Span]], bool], *, task: str) -> list[Span]:
        """The spans of a task's trace, once they are as wanted."""
        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(lambda: wanted(self.of(task)))
        except TimeoutError:
            raise AssertionError(f"of {task} there are only:\n" + "\n".join(tree(self.of(task)))) from None
        return self.of(task)

    def of(self, task: str) -> list[Span]:
        """All spans of the traces to which this task's belong."""
        known = {"temporalWorkflowID", "sagamesh.task.id"}
        traces = {span.trace_id for span in self.spans if any(attributes(span).get(name) == task for name in known)}
        return [span for span in self.spans if span.trace_id in traces]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Receive on a free port of loopback while the block runs."""
    port = free_port()
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as receiver:
        collector = Collector(f"http://127.0.0.1:{port}")

        async def follow() -> None:
            async for span in receiver.stream_traces():
                await collector.take(span)

        following = asyncio.create_task(follow())
        try:
            yield collector
        finally:
            following.cancel()


def attributes(of: Span | Span.Event) -> dict[str, str | int]:
    """Names to values."""
    return {each.key: _value(each) for each in of.attributes}


def _value(of: KeyValue) -> str | int:
    return of.value.int_value if of.value.HasField("int_value") else of.value.string_value


def tree(spans: list[Span]) -> list[str]:
    """The names, each below its parent and indented by two; siblings by name. What has no parent here is a root."""
    known = {span.span_id for span in spans}

    def below(parent: bytes | None, depth: int) -> Iterator[str]:
        for span in sorted(spans, key=lambda span: (span.name, span.start_time_unix_nano)):
            if span.parent_span_id == parent or (parent is None and span.parent_span_id not in known):
                yield "  " * depth + span.name
                yield from below(span.span_id, depth + 1)

    return list(below(None, 0))


def text_of(spans: list[Span]) -> str:
    """All that they say, but for their ids."""
    return json.dumps(
        [
            [span.name, span.status.message, attributes(span), [[e.name, attributes(e)] for e in span.events]]
            for span in spans
        ]
    )
