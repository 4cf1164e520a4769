"""A process that hosts supervisors and can be killed: `python -m tests.supervision.host ADDRESS`."""

from __future__ import annotations

import asyncio
import sys

from temporalio import client as temporal

from sagamesh import Mesh, SagameshPlugin
from sagamesh.system import system_worker
from tests.supervision import shop


async def _serve(address: str) -> None:
    client = await temporal.Client.connect(address, plugins=[SagameshPlugin(passthrough=("tests",))])
    worker = system_worker(client, Mesh(shop.shop))
    if worker is None:
        raise RuntimeError("nothing to serve")
    async with worker:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
