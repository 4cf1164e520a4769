"""Replays histories with today's code as workers that trace would: `python -m tests.tracing.traced_replay FILE...`.

Prints as JSON what differs, and the names of the spans that were made of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import cast

from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_tracer_provider
from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider
from temporalio.worker import Interceptor, ReplayerConfig

from mesh_workers import app
from sagamesh import SagameshPlugin
from sagamesh.replay import read_history, replay
from sagamesh.tracing.switch import trace_client


class Traced(SagameshPlugin):
    """Has the interceptors in a replayer that workers have from their client."""

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        config = super().configure_replayer(config)
        traced = [each for each in trace_client() if isinstance(each, Interceptor)]
        assert traced, "this test is about nothing"
        config["interceptors"] = [*traced, *config.get("interceptors", ())]
        return config


async def main(files: list[str]) -> None:
    plugin = Traced(passthrough=app.contracts)
    trace_client()
    made = InMemorySpanExporter()
    cast("ReplaySafeTracerProvider", get_tracer_provider()).add_span_processor(SimpleSpanProcessor(made))
    histories = [read_history(Path(file)) for file in files]
    found = await replay(histories, workflows=app.workflow_classes(), plugin=plugin)
    print(
        json.dumps(
            {
                "replayed": len(found),
                "problems": [str(each) for each in found if not each.ok],
                "spans": [span.name for span in made.get_finished_spans()],
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
