"""How many calls a real process serves at a time, and what it says of itself meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sagamesh import Client
from tests.health.conftest import Process
from tests.support.clerks import Errand, errand
from tests.support.engine import eventually

Start = Callable[..., Process]


@pytest.mark.asyncio
async def test_ten_calls_at_a_time(start: Start, client: Client, new_id: str) -> None:
    """The bulkhead: the eleventh waits on the server, and a process that does not ask for it is well."""
    process = start()
    await process.says("/readyz", 200)
    handles = [await client.start(errand, Errand(how="open"), id=f"{new_id}-{n}") for n in range(12)]

    async def full() -> bool:
        return len(process.written("begun")) >= 10

    await eventually(full)
    await process.says("/health", 200, '"busy": true')
    busy = [check["name"] for check in (await process.health())["checks"] if check["busy"]]
    assert busy == ["queue clerk (activities)"], "it still has to poll the others"
    assert len(process.written("begun")) == 10
    assert (await process.get("/livez"))[0] == (await process.get("/readyz"))[0] == 200

    (process.folder / "door").touch()
    for handle in handles:
        await handle.result()
    assert len(process.written("ended")) == 12


@pytest.mark.asyncio
async def test_slots_by_resources_and_pollers_by_load(start: Start, client: Client, new_id: str) -> None:
    process = start(
        SAGAMESH_SLOTS="resources", SAGAMESH_SLOTS_MOST="3", SAGAMESH_TARGET_CPU="100", SAGAMESH_POLLERS="auto"
    )
    await process.says("/readyz", 200)
    handles = [await client.start(errand, Errand(how="open"), id=f"{new_id}-{n}") for n in range(5)]

    async def one() -> bool:
        return bool(process.written("begun"))

    await eventually(one)
    await process.says("/health", 200, '"busy": true')
    assert (await process.get("/readyz"))[0] == 200
    assert len(process.written("begun")) <= 3

    (process.folder / "door").touch()
    for handle in handles:
        await handle.result()
    assert len(process.written("ended")) == 5
