"""Leader election for the code of tasks: a lock whose holder renews it by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import workflow

from sagamesh.locks.errors import LockLost
from sagamesh.locks.held import Held, lock
from sagamesh.saga import ending

__all__ = ["leadership"]


@asynccontextmanager
async def leadership(name: str, *, lease: timedelta, wait: timedelta | None = None) -> AsyncIterator[Held]:
    """Wait until this task leads, and lead while the block runs; of all tasks that ask for this name, one at a time.

        async with leadership("nightly-report", lease=seconds(30)) as term:
            while not term.lost:
                await report(WhatToReport(fence=term.fence))

    The lease is renewed every third of it for as long as the block runs. A leader that is terminated, or that no worker
    carries on for so long, is succeeded by the next one after the lease. `term.lost` tells a leader who comes back
    later, and `term.fence` tells everybody else.

    - `name`, `lease` (at least three seconds), `wait`: as for `lock`.

    Each renewal adds some ten events to the task's history: continue as new where a term has no end.

    Raises:
        LockTimeout, DefinitionError, asyncio.CancelledError: as `lock`.
    """
    async with lock(f"leader:{name}", lease=lease, wait=wait) as term:
        keeping = asyncio.create_task(_keep(term, lease / 3))
        try:
            yield term
        except BaseException as error:
            if ending(error) is not None or isinstance(error, workflow.ContinueAsNewError):
                keeping.cancel()
            raise
        keeping.cancel()


async def _keep(term: Held, pause: timedelta) -> None:
    while not term.lost:
        await workflow.sleep(pause, summary=f"renew {term.name}")
        try:
            await term.renew()
        except LockLost:
            return  # `term.lost` says so
