"""A process that serves the depot in one zone and can be killed: `python -m tests.routing.depot ADDRESS QUEUE`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from temporalio import client as temporal

from sagamesh import Agent, Client, SagameshPlugin
from sagamesh.testing import served
from tests.routing.conftest import Depots
from tests.support.zones import EU, US

_ROOT = Path(__file__).parents[2]


async def started(depots: Depots, agent: Agent) -> asyncio.subprocess.Process:
    """One more such process. It polls some time after; whoever starts it kills it."""
    address = depots.temporal.service_client.config.target_host
    return await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, address, agent.queue, cwd=_ROOT)


async def _serve(address: str, queue: str) -> None:
    client = await temporal.Client.connect(address, plugins=[SagameshPlugin(passthrough=("tests",))])
    [agent] = [each for each in (EU, US) if each.queue == queue]
    async with served(client, Depots(Client(client)).pool(agent)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
