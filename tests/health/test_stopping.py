"""A real process that is told to stop amid a long call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagamesh import Client
from tests.health.conftest import Process
from tests.support.clerks import Errand, errand

Start = Callable[..., Process]

CALL = "clerk.watch"


@pytest.mark.asyncio
async def test_a_pool_that_needs_longer_than_the_process_says(start: Start, client: Client, new_id: str) -> None:
    """The process waits as long as its most patient pool: what runs ends, is not cancelled and not tried again."""
    process = start(SAGAMESH_GRACE="0", SAGAMESH_DRAIN="0", CLERKS_GRACE="30")
    await process.says("/readyz", 200)
    # Longer than the three seconds that a process has beyond its grace.
    running = await client.start(errand, Errand(how="beat", seconds=5), id=new_id)
    await process.wrote("begun", f"{new_id}/{CALL}")

    process.terminate()
    await process.ends(0)

    assert "up to 30 s for what runs" in process.log
    assert process.written("ended") == process.written("begun") == [f"{new_id}/{CALL}"]
    assert process.written("cancelled") == []
    other = start()
    await running.result()
    # Of the others' tasks on this server it may have been given one.
    assert f"{new_id}/{CALL}" not in other.written("begun"), "it was done"


@pytest.mark.asyncio
async def test_what_runs_beyond_the_grace_goes_to_another_process(start: Start, client: Client, new_id: str) -> None:
    process = start(SAGAMESH_GRACE="1", SAGAMESH_DRAIN="0")
    await process.says("/readyz", 200)
    await client.start(errand, Errand(how="beat", seconds=600), id=new_id)
    await process.wrote("begun", f"{new_id}/{CALL}")
    other = start("clerk")
    await other.says("/readyz", 200)

    process.terminate()
    await other.wrote("begun", f"{new_id}/{CALL}")

    await process.ends(0)
    assert process.written("cancelled") == process.written("begun") == [f"{new_id}/{CALL}"]
    assert process.written("ended") == []
