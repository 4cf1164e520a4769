"""A program with a tracer provider of its own, in whose span an errand starts: `python -m tests.tracing.own_provider`.

It also hosts errands. Prints as JSON whether the errand has its trace, and the spans that its own provider had.
"""

from __future__ import annotations

import asyncio
import json

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from sagamesh import Client
from tests.support.clerks import Errand, clerks, errand, errands, plugin


async def main() -> None:
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    client = await Client.connect(plugin=plugin)
    async with (
        clerks() as agent,
        errands() as tasks,
        agent.serving(client.temporal),
        tasks.serving(client.temporal),
    ):
        with provider.get_tracer("shop").start_as_current_span("checkout") as checkout:
            handle = await client.start(errand, Errand(), id="from-a-shop")
        await handle.result()
    timeline = await handle.timeline()
    print(
        json.dumps(
            {
                "same": timeline.trace_id == f"{checkout.get_span_context().trace_id:032x}",
                "spans": sorted(span.name for span in made.get_finished_spans()),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
