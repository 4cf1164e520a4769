"""Orders for tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mesh_agents.order import OrderRequest

__all__ = ["EFFECTS", "LARGE", "SMALL", "order_json", "order_request"]

EFFECTS = ("inventory.reserve", "payment.charge", "inventory.confirm")
"""The steps of an order that change something; the others only look or tell."""

SMALL = Decimal("25.00")
"""A total that needs no approval from the faked accounts."""

LARGE = Decimal("2500.00")
"""A total that needs one."""


def order_json(**changes: Any) -> dict[str, Any]:
    """An order as another SDK would send it, with changes."""
    order: dict[str, Any] = {
        "customer": "ada",
        "currency": "EUR",
        "lines": [
            {"sku": "tea-1", "quantity": 2, "unit_price": "10.00"},
            {"sku": "cup-1", "quantity": 1, "unit_price": "5.00"},
        ],
        "total": "25.00",
        "payment_method": "pm_card_visa",
    }
    return order | changes


def order_request(total: Decimal = SMALL, **changes: Any) -> OrderRequest:
    """A valid order of one item at this price."""
    lines = [{"sku": "tea-1", "quantity": 1, "unit_price": str(total)}]
    return OrderRequest.model_validate(order_json(lines=lines, total=str(total), **changes))
