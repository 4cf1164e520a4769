"""Results that an agent keeps, and a supervisor that calls it for the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sagamesh import Agent, Pool, Saga, Task, TaskWorkflow, current_call, hours, seconds
from sagamesh.results import ResultStore
from sagamesh.testing import served
from tests.supervision.conftest import Supervised
from tests.supervision.shop import MANY, ONCE, Done, Wanted
from tests.support.script import Gate

pytestmark = pytest.mark.asyncio(loop_scope="session")

shelf = Agent("shelf")
put = shelf.capability("put", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)
take = shelf.capability("take", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=MANY, keep=hours(1))

storing = Task("Storing", takes=Wanted, returns=Done, queue="storings", uses=(shelf,))


@workflow.defn
class Storing(TaskWorkflow):
    """Puts it on the shelf, and waits for ever."""

    task = storing

    @workflow.run
    async def run(self, wanted: Wanted) -> Done:
        async with Saga() as saga:
            await saga.step(put, wanted, undo=take)
            await workflow.wait_condition(lambda: False)
        return Done()


class Answers(Interceptor):
    """Holds the answers of `take`: everything is done by then, and the engine does not know of it."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Answer(next, self.gate) if activity.info().activity_type == take.type else next


class _Answer(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, gate: Gate) -> None:
        super().__init__(next)
        self._gate = gate

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        result = await super().execute_activity(input)
        await self._gate()
        return result


async def test_an_undo_that_the_task_did_and_nobody_heard_of_is_answered_by_what_is_kept(
    supervised: Supervised, tmp_path: Path
) -> None:
    task_id, gate = supervised.new_id(), Gate()
    taken: list[str] = []

    async def do_put(wanted: Wanted) -> Done:
        return Done(what=wanted.what)

    async def do_take(wanted: Wanted) -> Done:
        taken.append(current_call().task_id)
        return Done(what=wanted.what)

    async with ResultStore.open(f"sqlite+aiosqlite:///{tmp_path}/results.db") as results:
        pool = Pool(shelf, results=results).serve(put, do_put).serve(take, do_take)
        pool.watch_calls(Answers(gate))
        async with served(supervised.client.temporal, pool, Pool("storings").host(storing, Storing)):
            handle = await supervised.client.start(storing, Wanted(), id=task_id, supervised=True)
            await supervised.did(task_id, "put", agent="shelf")
            await handle.cancel()
            await gate.reached()
            await supervised.terminate(task_id)
            gate.open()

            failure = await supervised.failure(task_id)

    assert [step.step for step in failure.undone] == ["shelf.put"]
    assert taken == [task_id]
