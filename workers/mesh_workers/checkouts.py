"""The pool that hosts the order task, and those of the ten agents beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_agents.checkout import checkout, publish_prices
from mesh_agents.order import order
from mesh_workflows.checkout import Checkout, PublishPrices
from mesh_workflows.order import Order
from sagamesh import Pool


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Hosts `Order`, `Checkout` and `PublishPrices`; needs nothing."""
    yield Pool(order.queue).host(order, Order).host(checkout, Checkout).host(publish_prices, PublishPrices)
