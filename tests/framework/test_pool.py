"""Pools: what is served is what was promised, or the process does not start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mesh_agents import accounts, inventory
from mesh_agents.inventory import Confirmed, ConfirmReservation, Released, Reservation, ReserveItems
from mesh_agents.order import order
from mesh_workflows.order import Order
from sagamesh import Agent, Message, Pool, Task
from sagamesh.errors import DefinitionError, Unserved
from sagamesh.pool import DEFAULT_GRACE
from sagamesh.slots import DEFAULT_SLOTS
from tests.support import flows
from tests.support.engine import Engine


class Ping(Message):
    """In and out."""


async def reserve(items: ReserveItems) -> Reservation:
    raise NotImplementedError


async def release(items: ReserveItems) -> Released:
    raise NotImplementedError


async def confirm(reservation: ConfirmReservation) -> Confirmed:
    raise NotImplementedError


def complete() -> Pool:
    """A pool that serves all of inventory."""
    pool = Pool(inventory.inventory)
    return pool.serve(inventory.reserve, reserve).serve(inventory.release, release).serve(inventory.confirm, confirm)


def test_complete() -> None:
    complete().check()
    Pool("orders").host(order, Order).check()
    Pool(Agent("idle")).check()


def test_what_nothing_serves_is_named() -> None:
    pool = Pool(inventory.inventory).serve(inventory.release, release)

    with pytest.raises(Unserved, match=r"nothing serves inventory\.reserve, inventory\.confirm"):
        pool.check()


def test_a_pool_without_a_task() -> None:
    with pytest.raises(Unserved, match="orders hosts no task"):
        Pool("orders").check()


async def validate(user: accounts.UserRef) -> accounts.User:
    raise NotImplementedError


def test_a_capability_of_another_agent() -> None:
    with pytest.raises(Unserved, match=r"accounts\.validate is no capability of inventory"):
        Pool(inventory.inventory).serve(accounts.validate, validate)
    with pytest.raises(Unserved, match=r"accounts\.validate is no capability of the task queue orders"):
        Pool("orders").serve(accounts.validate, validate)


def test_a_capability_of_the_same_name_of_another_agent() -> None:
    impostor = Agent("inventory").capability("reserve", takes=ReserveItems, returns=Reservation)

    with pytest.raises(Unserved, match="no capability of inventory"):
        Pool(inventory.inventory).serve(impostor, reserve)


def test_served_twice() -> None:
    with pytest.raises(Unserved, match="served twice"):
        complete().serve(inventory.reserve, reserve)


def test_a_task_of_another_queue() -> None:
    with pytest.raises(DefinitionError, match="runs on queue 'orders', this pool polls 'elsewhere'"):
        Pool("elsewhere").host(order, Order)


def test_a_class_of_another_task() -> None:
    twin = Task("Order", takes=order.takes, returns=order.returns, queue="orders")

    with pytest.raises(DefinitionError, match=r"Order must be derived from TaskWorkflow, its task"):
        Pool("orders").host(twin, Order)
    with pytest.raises(DefinitionError, match="Loose must be derived from TaskWorkflow"):
        Pool("deeds").host(flows.Chain.task, flows.Loose)  # type: ignore[arg-type]


@pytest.mark.parametrize("slots", [0, -1])
def test_no_slots(slots: int) -> None:
    with pytest.raises(DefinitionError, match="at least one slot"):
        Pool("orders", slots=slots)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("said", "configured", "slots", "grace"),
    [
        ({"slots": 3, "grace": timedelta(0)}, True, 3, timedelta(0)),
        ({}, True, 7, timedelta(seconds=2)),
        ({}, False, DEFAULT_SLOTS, DEFAULT_GRACE),
    ],
)
async def test_what_the_process_says_counts_where_the_pool_says_nothing(
    cached_engine: Engine, said: dict[str, Any], configured: bool, slots: int, grace: timedelta
) -> None:
    pool = Pool(Agent("alone"), **said)
    if configured:
        pool.configure(slots=7, grace=timedelta(seconds=2))

    [worker] = pool.workers(cached_engine.temporal)
    async with worker:
        config = worker.config()

    assert (config.get("max_concurrent_activities"), config.get("graceful_shutdown_timeout")) == (slots, grace)


@pytest.mark.asyncio(loop_scope="session")
async def test_half_a_pool_makes_no_worker(cached_engine: Engine) -> None:
    with pytest.raises(Unserved):
        Pool(inventory.inventory).workers(cached_engine.temporal)
