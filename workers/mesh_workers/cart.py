"""The pool of the agent `cart`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.cart import Carts
from mesh_agents.cart import add, cart, check_out, remove, reopen, show
from mesh_workers import dependencies
from mesh_workers.settings import CartSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `cart` from the database that SAGAMESH_CART_DATABASE names."""
    settings = read_settings(CartSettings)
    async with (
        Carts.open(settings.database) as carts,
        dependencies.database(settings.database) as answers,
    ):
        yield (
            Pool(cart, checks={"database": answers})
            .serve(add, carts.add)
            .serve(remove, carts.remove)
            .serve(show, carts.show)
            .serve(check_out, carts.check_out)
            .serve(reopen, carts.reopen)
        )
