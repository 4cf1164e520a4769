"""The hand-written variant: one worker process, `python -m benchmarks.bare_worker QUEUE`, at the SDK's defaults."""

from __future__ import annotations

import asyncio
import os
import sys

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from benchmarks.bare_activities import ACTIVITIES, ORDERS
from benchmarks.bare_order import BareOrder


async def main(queue: str) -> None:
    """Serve the queue until the process is ended."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    if queue == ORDERS:
        worker = Worker(client, task_queue=queue, workflows=[BareOrder])
    else:
        worker = Worker(client, task_queue=queue, activities=ACTIVITIES[queue])
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
