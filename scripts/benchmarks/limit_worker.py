"""One worker process of the limits bench: `python -m benchmarks.limit_worker POOL`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import limit_contracts as contracts
from sagamesh import App, Mesh, Pool
from sagamesh.worker import run_worker

__all__ = ["app"]


async def _at_once(call: contracts.Call) -> contracts.Done:
    return contracts.Done()


async def _slowly(call: contracts.Call) -> contracts.Done:
    # On the bench's clock and the server's, which is the same machine's.
    print("began", time.time_ns(), flush=True)
    await asyncio.sleep(contracts.SERVICE_SECONDS)
    return contracts.Done()


@asynccontextmanager
async def limited() -> AsyncIterator[Pool]:
    """Serves as fast as it is given calls."""
    yield Pool(contracts.limited).serve(contracts.limited_call, _at_once)


@asynccontextmanager
async def desk() -> AsyncIterator[Pool]:
    """Serves one call at a time."""
    yield Pool(contracts.desk, slots=1).serve(contracts.desk_call, _slowly)


@asynccontextmanager
async def crowds() -> AsyncIterator[Pool]:
    """Hosts the task."""
    from benchmarks.limit_task import Crowd

    yield Pool(contracts.crowd.queue).host(contracts.crowd, Crowd)


app = App(
    mesh=Mesh(contracts.limited, contracts.desk),
    tasks=(contracts.crowd,),
    contracts=("benchmarks.limit_contracts",),
    workflows=("benchmarks.limit_task:Crowd",),
    pools={name: f"benchmarks.limit_worker:{name}" for name in ("limited", "desk", "crowds")},
)

if __name__ == "__main__":
    run_worker(app, sys.argv[1:])
