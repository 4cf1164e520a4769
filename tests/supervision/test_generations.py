"""A supervised task that continues as new: each run's effects are its own, and each is undone."""

from __future__ import annotations

import pytest
from temporalio import workflow

from sagamesh import Pool, Saga, Task, TaskWorkflow
from sagamesh.testing import served
from tests.supervision import shop
from tests.supervision.conftest import Supervised
from tests.supervision.shop import Done, Wanted
from tests.support.engine import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

subscribe = Task("Subscribe", takes=Wanted, returns=Done, queue="subscriptions", uses=(shop.shop,))


@workflow.defn
class Subscribe(TaskWorkflow):
    """Charges in each of two runs, and never ends."""

    task = subscribe

    @workflow.run
    async def run(self, wanted: Wanted) -> Done:
        async with Saga() as saga:
            await saga.step(shop.charge, wanted, undo=shop.refund)
        if wanted.what == "first":
            workflow.continue_as_new(wanted.model_copy(update={"what": "second"}))
        await workflow.wait_condition(lambda: False)
        return Done()


async def test_what_each_run_had_begun_is_undone_under_its_own_key(supervised: Supervised) -> None:
    task_id, books = supervised.new_id(), supervised.books
    async with served(supervised.client.temporal, Pool("subscriptions").host(subscribe, Subscribe)):
        await supervised.client.start(subscribe, Wanted(what="first"), id=task_id, supervised=True)

        async def charged() -> bool:
            return books.done_for(task_id) == ["charge", "charge"]

        await eventually(charged)
        await supervised.terminate(task_id)
        failure = await supervised.failure(task_id)

    assert [step.step for step in failure.undone] == ["shop.charge@2", "shop.charge"]
    assert books.of(task_id) == []
    assert {key for key in books.undone if key.startswith(task_id)} == {
        f"{task_id}/shop.charge",
        f"{task_id}/shop.charge@2",
    }


async def test_a_run_that_is_reset_has_the_keys_that_it_had(supervised: Supervised) -> None:
    task_id, books = supervised.new_id(), supervised.books
    async with served(supervised.client.temporal, Pool("subscriptions").host(subscribe, Subscribe)):
        await supervised.client.start(subscribe, Wanted(what="first"), id=task_id)

        async def charged_twice() -> bool:
            return books.done_for(task_id) == ["charge", "charge"]

        await eventually(charged_twice)
        before = await supervised.reset(task_id)
        await supervised.did(task_id, "charge@2")

        described = await supervised.client.temporal.get_workflow_handle(task_id).describe()
        assert described.run_id != before
        assert books.done_for(task_id) == ["charge", "charge"]
        await supervised.terminate(task_id)
