"""The queues that a pool says it polls are those of its workers."""

from __future__ import annotations

import pytest

from mesh_workers.payment import pool as payment
from sagamesh import Agent, Client, Message, Pool, minutes
from sagamesh.degraded import Degradable
from sagamesh.fallback import Kept
from sagamesh.health.engine import queues_of
from sagamesh.results import ResultStore
from tests.support.clerks import Run, errand


class Ask(Message):
    """Anything."""


class Told(Degradable):
    """Anything else."""


async def serve(_: Ask) -> Told:
    return Told()


reader = Agent("reader")
archive = reader.provider("archive", rate=5)
read = reader.capability("read", takes=Ask, returns=Told, keep=minutes(5), fallback=Kept())
search = reader.capability("search", takes=Ask, returns=Told, provider=archive)


@pytest.mark.asyncio
async def test_of_every_kind_of_pool(client: Client, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGAMESH_PAYMENT_KEY", "sk_test_sandbox")
    monkeypatch.setenv("SAGAMESH_PAYMENT_DATABASE", sqlite_url)
    async with ResultStore.open(sqlite_url) as results, payment() as paying:
        pools = {
            "payment": paying,
            "errands": Pool("errands").host(errand, Run),
            "reader": Pool(reader, results=results).serve(read, serve).serve(search, serve),
        }
        found = {
            name: [queue for worker in pool.workers(client.temporal) for queue in queues_of(worker)]
            for name, pool in pools.items()
        }

    assert found == {name: pool.queues for name, pool in pools.items()}
    assert found["errands"] == [("errands", "workflows")]
    assert len(found["reader"]) == 3
