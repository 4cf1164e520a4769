"""What the types promise to those who use them. Nothing here is run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import assert_type

from pydantic import BaseModel
from temporalio import workflow

from mesh_agents import accounts, inventory, payment
from mesh_agents.inventory import Released, Reservation, ReserveItems
from mesh_agents.order import OrderRequest, OrderResult, order
from mesh_agents.payment import Charge, Receipt
from sagamesh import Agent, Capability, Client, Message, Outcome, Pool, Saga, Task, TaskHandle, TaskWorkflow
from sagamesh.failure import Failure
from sagamesh.status import ApprovalStatus, Decision, OperatorDecision, TaskStatus
from sagamesh.testing import Fakes


class Question(Message):
    """Asked."""

    text: str


class Urgent(Question):
    """Asked with more to it."""

    by: str


class Answer(BaseModel):
    """Answered."""

    text: str


class Thorough(Answer):
    """Answered with more to it."""

    source: str


oracle = Agent("oracle", depends_on=["accounts"], tags=["wise"])
ask = oracle.capability("ask", takes=Question, returns=Answer, timeout=timedelta(seconds=3))
forget = oracle.capability("forget", takes=Question, returns=Thorough)
asking = Task("Asking", takes=Question, returns=Answer, queue="asking", title=lambda question: question.text)

assert_type(ask, Capability[Question, Answer])
assert_type(inventory.reserve, Capability[ReserveItems, Reservation])
assert_type(asking, Task[Question, Answer])
assert_type(order, Task[OrderRequest, OrderResult])
assert_type(ask.takes, type[Question])
assert_type(ask.returns, type[Answer])


@workflow.defn(name=asking.name)
class Asking(TaskWorkflow):
    """Hosts `asking`."""

    task = asking

    @workflow.run
    async def run(self, question: Question) -> Answer:
        """With every way of calling a capability."""
        assert_type(await ask(question), Answer)
        assert_type(await ask(Urgent(text="?", by="ann")), Answer)
        async with Saga(deadline=timedelta(hours=1)) as saga:
            assert_type(saga, Saga)
            assert_type(await saga.step(ask, question), Answer)
            assert_type(await saga.step(ask, question, undo=forget), Answer)
            assert_type(await saga.step(forget, question, undo=ask, summary="why"), Thorough)
            assert_type(await saga.approval("may I?", within=timedelta(hours=1)), ApprovalStatus)
            assert_type(await saga.pivot(forget, question), Thorough)
            outcome = await saga.attempt(ask, question)
            assert_type(outcome, Outcome[Answer])
            assert_type(outcome.result, Answer | None)
            assert_type(outcome.failure, Failure | None)
            first, second = await asyncio.gather(saga.step(ask, question), saga.step(forget, question))
            assert_type(first, Answer)
            assert_type(second, Thorough)
        return first


class Oracle:
    """Serves `oracle`; an implementation may take more and return more than its contract says."""

    async def ask(self, question: Question) -> Answer:
        """As the contract says."""
        return Answer(text=question.text)

    async def ask_anything(self, question: Message) -> Thorough:
        """Takes any message, and returns more than an answer."""
        return Thorough(text=str(question), source="")


def pools(oracles: Oracle) -> list[Pool]:
    """Pools of agents and of tasks."""
    one = Pool(oracle).serve(ask, oracles.ask).serve(forget, oracles.ask_anything)
    assert_type(one, Pool)
    return [one, Pool("asking", slots=5).host(asking, Asking)]


async def client(connected: Client, request: OrderRequest) -> None:
    """Starting and steering."""
    handle = await connected.start(order, request, id="o-1", priority=1)
    assert_type(handle, TaskHandle[OrderResult])
    assert_type(await handle.result(), OrderResult)
    assert_type(await handle.status(), TaskStatus)
    assert_type(await handle.cancel(), TaskStatus)
    assert_type(await handle.approve(by="ann"), ApprovalStatus)
    assert_type(await handle.operator(OperatorDecision(step="s", action="retry", by="olga")), TaskStatus)
    assert_type(await (await connected.start(asking, Urgent(text="?", by="ann"), id="a-1")).result(), Answer)
    assert_type(connected.handle(asking, "a-1"), TaskHandle[Answer])
    Decision(by="ann")


def fakes(receipt: Receipt) -> None:
    """Fakes are held to their contracts."""

    async def later(charge: Charge) -> Receipt:
        return Receipt(payment_id="pi", money=charge.money)

    made = Fakes(payment.payment, accounts.accounts).on(payment.charge, receipt, payment.Declined("no"), later)
    assert_type(made, Fakes)
    made.on(payment.charge, lambda charge: Receipt(payment_id="pi", money=charge.money))
    made.on(inventory.release, Released(reservation_id="r"))
