"""Undos that a breaker guards: the task's words about them do not tell of it, and a supervisor has no others."""

from __future__ import annotations

import pytest
from temporalio import workflow

from sagamesh import Agent, Breaker, Pool, Saga, Task, TaskWorkflow, seconds
from sagamesh.status import Stage
from sagamesh.testing import served
from tests.supervision.conftest import Supervised
from tests.supervision.shop import ONCE, Done, Wanted

pytestmark = pytest.mark.asyncio(loop_scope="session")

GUARD = Breaker(failures=1, recovery=seconds(2), key="till")

till = Agent("till")
lend = till.capability("lend", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)
call_in = till.capability("call_in", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE, breaker=GUARD)
sell = till.capability("sell", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)
pay_back = till.capability("pay_back", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE, breaker=GUARD)

selling = Task("Selling", takes=Wanted, returns=Done, queue="sellings", uses=(till,))


@workflow.defn
class Selling(TaskWorkflow):
    """Lends, sells, and waits for ever."""

    task = selling

    @workflow.run
    async def run(self, wanted: Wanted) -> Done:
        async with Saga() as saga:
            await saga.step(lend, wanted, undo=call_in)
            await saga.step(sell, wanted, undo=pay_back)
            await workflow.wait_condition(lambda: False)
        return Done()


async def test_one_failure_does_not_use_up_the_attempts_of_the_other_undo(supervised: Supervised) -> None:
    """The newest undo fails, which opens the breaker of both. The other has one attempt, and it is a real one."""
    called: list[str] = []

    async def done(wanted: Wanted) -> Done:
        return Done()

    async def pays_back(wanted: Wanted) -> Done:
        called.append("pay_back")
        if len(called) == 1:
            raise ConnectionError("nobody answers")
        return Done()

    async def calls_in(wanted: Wanted) -> Done:
        called.append("call_in")
        return Done()

    pool = Pool(till).serve(lend, done).serve(call_in, calls_in).serve(sell, done).serve(pay_back, pays_back)
    async with served(supervised.client.temporal, pool, Pool("sellings").host(selling, Selling)):
        task_id = supervised.new_id()
        await supervised.client.start(selling, Wanted(), id=task_id, supervised=True)
        await supervised.did(task_id, "sell", agent="till")
        await supervised.terminate(task_id)
        await supervised.reaches(task_id, Stage.NEEDS_OPERATOR)
        waiting = (await supervised.supervisor(task_id).timeline()).for_operator
        assert [entry.name for entry in waiting] == ["till.sell"]
        await supervised.decide(task_id, "till.sell", "retry")
        failure = await supervised.failure(task_id)

    assert [step.step for step in failure.undone] == ["till.lend", "till.sell"]
    assert called == ["pay_back", "call_in", "pay_back"]
