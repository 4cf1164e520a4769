"""What must not pass for right. Each line that says so is an error to mypy and to pyright; no other line is."""

# ruff: noqa: F841, B018
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow

from mesh_agents import accounts, inventory, payment
from mesh_agents.accounts import User, UserRef
from mesh_agents.inventory import Released, Reservation, ReserveItems
from mesh_agents.order import OrderRequest, OrderResult, order
from mesh_agents.payment import Charge, Receipt
from sagamesh import Agent, Client, Message, Pool, Saga, Task, TaskHandle, TaskWorkflow
from sagamesh.testing import Fakes


class Other(Message):
    """What another contract speaks of."""

    text: str


@dataclass
class NoModel:
    """Not for the wire."""

    text: str


agent = Agent("agent")
agent.capability("a", takes=NoModel, returns=Other)  # rejected
agent.capability("b", takes=Other, returns=dict)  # rejected
agent.capability("c", takes=Other, returns=Other, timeout=30)  # rejected
agent.capability("d", takes=Other("x"), returns=Other)  # rejected
Task("T", takes=Other, returns=NoModel, queue="q")  # rejected
Task("T", takes=Other, returns=Other, queue="q", title=lambda other: other.nothing)  # rejected
Task("T", takes=Other, returns=Other, queue="q", uses=("accounts",))  # rejected
another = Task("Another", takes=Other, returns=Other, queue="q")


async def calls(items: ReserveItems, user: UserRef, charge: Charge, model: BaseModel) -> None:
    await inventory.reserve(user)  # rejected
    await inventory.reserve(model)  # rejected
    await inventory.reserve({"items": []})  # rejected
    await inventory.reserve()  # rejected
    await inventory.reserve(items, items)  # rejected
    receipt: Receipt = await inventory.reserve(items)  # rejected
    wrong: str = (await inventory.reserve(items)).reservation  # rejected
    (await inventory.reserve(items)).reservation_id.nothing()  # rejected
    inventory.reserve(items).reservation_id  # rejected


async def sagas(saga: Saga, items: ReserveItems, user: UserRef, charge: Charge, model: BaseModel) -> None:
    await saga.step(inventory.reserve, user)  # rejected
    await saga.step(inventory.reserve, charge)  # rejected
    await saga.step(inventory.reserve, model)  # rejected
    await saga.step(inventory.reserve, {"items": []})  # rejected
    await saga.step(inventory.reserve)  # rejected
    await saga.step(inventory.reserve, items, undo=payment.refund)  # rejected
    await saga.step(inventory.reserve, items, undo=inventory.confirm)  # rejected
    await saga.step(inventory.reserve, user, undo=accounts.validate)  # rejected
    await saga.step(payment.charge, charge, undo=inventory.release)  # rejected
    await saga.step(inventory.reserve, items, inventory.release)  # rejected
    await saga.step(inventory.reserve, items, undo=lambda _: None)  # rejected
    await saga.step("inventory.reserve", items)  # rejected
    await saga.pivot(inventory.confirm, items)  # rejected
    await saga.pivot(inventory.reserve, items, undo=inventory.release)  # rejected
    await saga.attempt(inventory.confirm, items)  # rejected
    await saga.approval("may I?", within=3600)  # rejected
    receipt: Receipt = await saga.step(inventory.reserve, items)  # rejected
    released: Released = await saga.step(inventory.reserve, items, undo=inventory.release)  # rejected
    user_found: User = await saga.pivot(inventory.reserve, items)  # rejected
    reservation: Reservation = await saga.attempt(inventory.reserve, items)  # rejected
    maybe: Reservation = (await saga.attempt(inventory.reserve, items)).result  # rejected
    (await saga.step(payment.charge, charge)).reservation_id  # rejected
    Saga(deadline=60)  # rejected


class Stock:
    async def reserve(self, items: ReserveItems) -> Reservation:
        raise NotImplementedError

    async def takes_other(self, other: Other) -> Reservation:
        raise NotImplementedError

    async def returns_other(self, items: ReserveItems) -> Other:
        raise NotImplementedError

    async def returns_nothing(self, items: ReserveItems) -> None:
        raise NotImplementedError

    async def takes_two(self, items: ReserveItems, other: Other) -> Reservation:
        raise NotImplementedError

    async def takes_none(self) -> Reservation:
        raise NotImplementedError

    async def returns_less(self, items: ReserveItems) -> BaseModel:
        raise NotImplementedError

    def at_once(self, items: ReserveItems) -> Reservation:
        raise NotImplementedError


def pools(stock: Stock) -> None:
    pool = Pool(inventory.inventory)
    pool.serve(inventory.release, stock.reserve)  # rejected
    pool.serve(inventory.reserve, stock.takes_other)  # rejected
    pool.serve(inventory.reserve, stock.returns_other)  # rejected
    pool.serve(inventory.reserve, stock.returns_nothing)  # rejected
    pool.serve(inventory.reserve, stock.returns_less)  # rejected
    pool.serve(inventory.reserve, stock.takes_two)  # rejected
    pool.serve(inventory.reserve, stock.takes_none)  # rejected
    pool.serve(inventory.reserve, stock.at_once)  # rejected
    pool.serve(payment.charge, stock.reserve)  # rejected
    pool.serve("reserve", stock.reserve)  # rejected
    pool.serve(inventory.reserve, stock.reserve).serve(inventory.confirm, stock.reserve)  # rejected


@workflow.defn
class Right(TaskWorkflow):
    task = another

    @workflow.run
    async def run(self, other: Other) -> Other:
        return other


@workflow.defn
class WrongInput(TaskWorkflow):
    task = order

    @workflow.run
    async def run(self, other: Other) -> OrderResult:
        raise NotImplementedError


@workflow.defn
class WrongResult(TaskWorkflow):
    task = order

    @workflow.run
    async def run(self, request: OrderRequest) -> Other:
        raise NotImplementedError


@workflow.defn
class NoTask:
    @workflow.run
    async def run(self, request: OrderRequest) -> OrderResult:
        raise NotImplementedError


def hosts() -> None:
    Pool("orders").host(order, Right)  # rejected
    Pool("orders").host(order, WrongInput)  # rejected
    Pool("orders").host(order, WrongResult)  # rejected
    Pool("orders").host(order, NoTask)  # rejected
    Pool("orders").host(Right, another)  # rejected
    Pool("q").host(another, Right())  # rejected
    Pool("q").host(another, Right)


async def starts(client: Client, request: OrderRequest, other: Other, model: BaseModel) -> None:
    await client.start(order, other, id="o-1")  # rejected
    await client.start(order, model, id="o-1")  # rejected
    await client.start(order, request.model_dump(), id="o-1")  # rejected
    await client.start(order, request)  # rejected
    await client.start(order, request, "o-1")  # rejected
    await client.start("Order", request, id="o-1")  # rejected
    await client.start(order, request, id="o-1", priority="high")  # rejected
    handle = await client.start(order, request, id="o-1")
    wrong: Other = await handle.result()  # rejected
    text: str = (await handle.result()).payment  # rejected
    (await handle.result()).notified.nothing()  # rejected
    await handle.result(timeout=3)  # rejected
    await handle.approve()  # rejected
    await handle.approve("ann")  # rejected
    await handle.operator("retry")  # rejected
    mistaken: TaskHandle[Other] = client.handle(order, "o-1")  # rejected
    mistaken_too: TaskHandle[Other] = await client.start(order, request, id="o-1")  # rejected


def fakes(receipt: Receipt, reservation: Reservation) -> None:
    async def later(items: ReserveItems) -> Reservation:
        return reservation

    Fakes(payment.payment).on(payment.charge, reservation)  # rejected
    Fakes(payment.payment).on(payment.charge, later)  # rejected
    Fakes(payment.payment).on(payment.charge, lambda _: reservation)  # rejected
    Fakes(payment.payment).on(payment.charge, "receipt")  # rejected
    Fakes("payment")  # rejected


def durations() -> None:
    agent.capability("e", takes=Other, returns=Other, retry=3)  # rejected
    agent.capability("f", takes=Other, returns=Other, queue_timeout=timedelta(seconds=1), heartbeat="1s")  # rejected
