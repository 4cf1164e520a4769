"""Records the golden histories of the checkout task: part of `scripts/record-histories`.

Each path runs on a real server, with agents faked by their contracts.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import product
from pathlib import Path as File

from temporalio.client import WorkflowHistory

from mesh_agents.checkout import checkout, publish_prices
from mesh_workers.ten import app
from mesh_workflows.checkout import Checkout, PublishPrices
from sagamesh import Client, Pool
from sagamesh.errors import TaskFailed
from sagamesh.testing import dev_server, served
from tests.mesh.paths import PATHS, Path, agents
from tests.support.goldens import keep, run

__all__ = ["HISTORIES", "golden", "record"]

HISTORIES = File(__file__).parent / "histories"
_PATIENCE = timedelta(minutes=1)


def golden(path: Path, *, inline: bool) -> str:
    """What the golden of a path is called."""
    return f"inline-{path.name}" if inline else path.name


async def record(client: Client, path: Path, *, inline: bool = False) -> WorkflowHistory:
    """Let one task go this path, and return its history."""
    pool = Pool(checkout.queue).host(checkout, Checkout).host(publish_prices, PublishPrices)
    async with served(client.temporal, [pool, *agents(path, client).pools()], inline=inline):
        handle = await client.start(path.task, path.asked, id=golden(path, inline=inline), inline=inline)
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
    return wrong


if __name__ == "__main__":
    run(_record_all())
