"""Through Sagamesh: which implementation serves which contract. No-op agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks import agents
from benchmarks import mesh_contracts as contracts
from sagamesh import App, Mesh, Pool

__all__ = ["app"]


@asynccontextmanager
async def accounts() -> AsyncIterator[Pool]:
    """Serves `accounts`."""
    yield Pool(contracts.accounts).serve(contracts.validate, agents.validate)


@asynccontextmanager
async def inventory() -> AsyncIterator[Pool]:
    """Serves `inventory`."""
    yield (Pool(contracts.inventory).serve(contracts.reserve, agents.reserve).serve(contracts.release, agents.release))


@asynccontextmanager
async def payment() -> AsyncIterator[Pool]:
    """Serves `payment`."""
    yield Pool(contracts.payment).serve(contracts.charge, agents.charge).serve(contracts.refund, agents.refund)


@asynccontextmanager
async def notification() -> AsyncIterator[Pool]:
    """Serves `notification`."""
    yield Pool(contracts.notification).serve(contracts.send, agents.send)


@asynccontextmanager
async def orders() -> AsyncIterator[Pool]:
    """Hosts the order."""
    # Only the process that hosts the workflow imports it.
    from benchmarks.mesh_order import MeshOrder

    yield Pool(contracts.order.queue).host(contracts.order, MeshOrder)


app = App(
    mesh=Mesh(contracts.accounts, contracts.inventory, contracts.payment, contracts.notification),
    tasks=(contracts.order,),
    contracts=("benchmarks.models", "benchmarks.mesh_contracts"),
    workflows=("benchmarks.mesh_order:MeshOrder",),
    pools={
        name: f"benchmarks.mesh_app:{name}" for name in ("accounts", "inventory", "payment", "notification", "orders")
    },
)
