"""What must not pass for right where calls are routed."""

# ruff: noqa: F841
from __future__ import annotations

from mesh_agents import inventory
from mesh_agents.inventory import Released, ReserveItems
from mesh_agents.payment import Charge
from sagamesh import Pool, Saga
from sagamesh.routing import Decision, gather_parts


async def routed(where: Decision, items: ReserveItems, charge: Charge) -> None:
    async with Saga() as saga:
        await saga.step(where.on(inventory.reserve), charge)  # rejected
        await saga.step(where.on(inventory.reserve), items, undo=where.on(inventory.confirm))  # rejected
        receipt: Released = await saga.step(where.on(inventory.reserve), items)  # rejected
    await gather_parts([inventory.reserve.in_zone("eu")], charge)  # rejected
    where.on("inventory.reserve")  # rejected


async def release(wanted: ReserveItems) -> Released:
    raise NotImplementedError


Pool(inventory.inventory.in_zone("eu")).serve(inventory.reserve, release)  # rejected
