"""The order task, as its callers see it: what to send, what comes back."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.accounts import UserId
from mesh_agents.inventory import Quantity, Sku
from mesh_agents.money import Amount, Money, minor_digits
from mesh_agents.payment import PaymentMethod
from sagamesh import Message, Task
from sagamesh.failure import FieldError


class OrderLine(Message):
    """So many of one item at a price each."""

    sku: Sku
    quantity: Quantity
    unit_price: Amount


class OrderRequest(Message):
    """An order. The total must be the sum of its lines, to the last minor unit.

    - `deadline_seconds`: how long the order may take before it is given up and undone; None for no deadline.
    - `approval_timeout_seconds`: how long an approver has, where the total is above the customer's limit.
    """

    customer: UserId
    currency: str
    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=100)]
    total: Amount
    payment_method: PaymentMethod
    deadline_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] | None = None
    approval_timeout_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] = 24 * 3600

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        try:
            digits = minor_digits(self.currency)
        except ValueError as error:
            raise FieldError("currency", str(error)) from None
        for field, amount in [("total", self.total)] + [
            (f"lines[{n}].unit_price", line.unit_price) for n, line in enumerate(self.lines)
        ]:
            if amount != round(amount, digits):
                raise FieldError(field, f"{self.currency} has {digits} decimals, {amount} has more")
        skus = [line.sku for line in self.lines]
        for n, sku in enumerate(skus):
            if sku in skus[:n]:
                raise FieldError(f"lines[{n}].sku", f"{sku} stands in more than one line")
        added = sum((line.unit_price * line.quantity for line in self.lines), Decimal(0))
        if added != self.total:
            raise FieldError("total", f"{self.total} does not match the lines, which add up to {added}")
        if not self.total:
            raise FieldError("total", "must be more than 0")
        return self

    @property
    def money(self) -> Money:
        """The total in its currency."""
        return Money(amount=self.total, currency=self.currency)


class OrderResult(Message):
    """A completed order: paid, sold, and, where the mail went out, told.

    `notified` is False when the mail could not be delivered; `notification_problem` then says why.
    """

    order_id: str
    payment_id: str
    reservation_id: str
    total: Money
    approved_by: str = ""
    notified: bool
    notification_problem: str = ""


order = Task("Order", takes=OrderRequest, returns=OrderResult, queue="orders", summary="Reserve, charge, confirm, notify")
