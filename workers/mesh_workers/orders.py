"""The pool that hosts the order task."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_agents.order import order
from mesh_workflows.order import Order
from sagamesh import Pool


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Hosts `Order`; needs nothing."""
    yield Pool(order.queue).host(order, Order)
