"""What travels in the benchmark's order; the same models for the hand-written variant and for Sagamesh."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Charge",
    "Items",
    "Mail",
    "OrderRequest",
    "OrderResult",
    "Receipt",
    "Refunded",
    "Released",
    "Reservation",
    "Sent",
    "User",
    "UserRef",
    "expected",
    "request",
]

Identifier = Annotated[str, Field(min_length=1, max_length=100)]

DECLINED = "pm_declined"
"""The payment method that is always declined."""


class Model(BaseModel):
    """Immutable, and refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class UserRef(Model):
    """Who orders."""

    user_id: Identifier


class User(Model):
    """A known customer."""

    user_id: Identifier
    email: str


class Items(Model):
    """What is ordered."""

    sku: Identifier
    quantity: int = Field(ge=1)


class Reservation(Model):
    """Stock that was set aside."""

    reservation_id: str


class Released(Model):
    """Stock that was given back."""


class Charge(Model):
    """Money to take, in minor units."""

    amount: int = Field(ge=1)
    currency: str
    method: str


class Receipt(Model):
    """Money that was taken."""

    payment_id: str


class Refunded(Model):
    """Money that was given back."""


class Mail(Model):
    """A message to a customer."""

    to: str
    subject: str


class Sent(Model):
    """A message that was sent."""

    message_id: str


class OrderRequest(Model):
    """An order."""

    user: UserRef
    items: Items
    charge: Charge


class OrderResult(Model):
    """A completed order: something of each of its steps, so that a mixed-up answer would show."""

    email: str
    reservation_id: str
    payment_id: str
    message_id: str


def request(number: int, *, declined: bool = False) -> OrderRequest:
    """The order of this number."""
    return OrderRequest(
        user=UserRef(user_id=f"user-{number}"),
        items=Items(sku=f"sku-{number}", quantity=1 + number % 5),
        charge=Charge(amount=100 + number, currency="EUR", method=DECLINED if declined else "pm_card"),
    )


def expected(number: int) -> OrderResult:
    """What the no-op agents make of the order of this number."""
    email = f"user-{number}@example.com"
    return OrderResult(
        email=email,
        reservation_id=f"{1 + number % 5} of sku-{number}",
        payment_id=f"{100 + number} EUR",
        message_id=f"Your order of sku-{number} to {email}",
    )
