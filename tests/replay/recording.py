"""Records the golden histories of the order task: `scripts/record-histories`.

Each path runs on a real server, with agents faked by their contracts.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

from temporalio.client import WorkflowHistory

from mesh_agents.order import order
from mesh_workers import app
from mesh_workflows.order import Order
from sagamesh import Client, Pool
from sagamesh.errors import TaskFailed
from sagamesh.replay import write_golden
from sagamesh.testing import dev_server, served
from tests.replay.order_seeds import SEEDS
from tests.replay.paths import PATHS, OrderPath, agents, request
from tests.replay.seeding import seeded
from tests.support.goldens import keep, run

__all__ = ["HISTORIES", "REFUSED", "golden", "record"]

_PATIENCE = timedelta(minutes=1)

HISTORIES = Path(__file__).parent / "histories"
REFUSED = Path(__file__).parent / "refused"
"""Holds what the gate must refuse: an order as another order task went through it."""


def golden(path: OrderPath, *, inline: bool) -> str:
    """What the golden of a path is called."""
    return f"inline-{path.name}" if inline else path.name


async def record(
    client: Client, path: OrderPath, workflow: type[Order] = Order, *, inline: bool = False
) -> WorkflowHistory:
    """Let one order go this path, and return its history."""
    pools = [Pool(order.queue).host(order, workflow), *agents(path, client).pools()]
    async with served(client.temporal, pools, inline=inline):
        handle = await client.start(order, request(path), id=f"order-{golden(path, inline=inline)}", inline=inline)
        if path.steer is not None:
            await path.steer(handle)
        with suppress(TaskFailed):  # as some paths must; the caller looks at how it ended
            await handle.result(timeout=_PATIENCE)
        return await client.temporal.get_workflow_handle(handle.id).fetch_history()


async def _record_all() -> int:
    wrong = 0
    async with dev_server(app.plugin()) as server:
        client = Client(server.client)
        for path, inline in product(PATHS, (False, True)):
            history = await record(client, path, inline=inline)
            wrong += await keep(history, HISTORIES, golden(path, inline=inline), path.ends)
        await write_golden(await _of_another_order(client), REFUSED / "reserved-before-validated.json")
    return wrong


async def _of_another_order(client: Client) -> WorkflowHistory:
    [other] = [seed for seed in SEEDS if seed.name == "reserved before validated"]
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        workflow = seeded(other, Path(folder))
        return await record(client, replace(PATHS[0], name="reserved-before-validated"), workflow)


if __name__ == "__main__":
    run(_record_all())
