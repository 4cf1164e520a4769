"""What the types promise to those who route calls. Nothing here is run."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from mesh_agents import inventory
from mesh_agents.inventory import Released, Reservation, ReserveItems
from sagamesh import Capability, Pool, Saga
from sagamesh.routing import Decision, Need, Parts, gather_parts, route


async def routed(items: ReserveItems) -> None:
    where = await route(Need(capability=inventory.reserve.type, zones=("eu", "us")), wait=timedelta(minutes=1))
    assert_type(where, Decision)
    assert_type(where.on(inventory.reserve), Capability[ReserveItems, Reservation])
    async with Saga() as saga:
        taken = await saga.step(where.on(inventory.reserve), items, undo=where.on(inventory.release))
        assert_type(taken, Reservation)
    parts = await gather_parts([inventory.release.in_zone("eu"), inventory.release.in_zone("us")], items)
    assert_type(parts, Parts[Released])
    assert_type(parts.results, tuple[Released, ...])


async def reserve(wanted: ReserveItems) -> Reservation:
    raise NotImplementedError


def served() -> Pool:
    return Pool(inventory.inventory.in_zone("eu")).serve(inventory.reserve, reserve)
