"""Inventory: stock on hand, reserved and sold; together always what was delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.once import check_once
from sagamesh import Agent, BusinessError, Message, seconds

Sku = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)]
Quantity = Annotated[int, Field(ge=1, le=10_000, strict=True)]


class ItemQuantity(Message):
    """So many of one item."""

    sku: Sku
    quantity: Quantity


class ReserveItems(Message):
    """The items to set aside, for at most `hold_seconds`. Each SKU stands once."""

    items: Annotated[tuple[ItemQuantity, ...], Field(min_length=1, max_length=100)]
    hold_seconds: Annotated[int, Field(ge=1, le=60 * 24 * 3600)] = 900

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_once("items[{}].sku", [item.sku for item in self.items])
        return self


class Reservation(Message):
    """Items set aside under an id until they are confirmed, released, or `expires_at` has passed."""

    reservation_id: str
    expires_at: datetime


class Released(Message):
    """What undoing a reservation did. `items` is empty when there was nothing to release."""

    reservation_id: str
    items: tuple[ItemQuantity, ...] = ()


class ConfirmReservation(Message):
    """The reservation whose items are sold now."""

    reservation_id: str


class Confirmed(Message):
    """The reservation whose items are sold."""

    reservation_id: str


class UnknownSku(BusinessError):
    """No item has this SKU; nothing was reserved. Details: `sku`, `field` (where in `items`)."""


class OutOfStock(BusinessError):
    """Less than asked for is on hand; nothing was reserved. Details: `sku`, `asked`, `on_hand`."""


class ReservationGone(BusinessError):
    """The reservation was released, has expired, or never was. Details: `reservation_id`, `state`."""


inventory = Agent("inventory", depends_on=["accounts"], summary="Stock and reservations")
reserve = inventory.capability(
    "reserve", takes=ReserveItems, returns=Reservation, timeout=seconds(10), inline=True, summary="Set the items aside"
)
release = inventory.capability(
    "release", takes=ReserveItems, returns=Released, timeout=seconds(10), inline=True, summary="Put the items back"
)
confirm = inventory.capability(
    "confirm",
    takes=ConfirmReservation,
    returns=Confirmed,
    timeout=seconds(10),
    inline=True,
    summary="The items are sold",
)
