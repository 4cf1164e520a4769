"""The order task, as its callers see it: what to send, what comes back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.accounts import User, UserId, UserRef, accounts
from mesh_agents.inventory import ItemQuantity, Quantity, ReserveItems, Sku, inventory
from mesh_agents.money import Amount, Currency, Money, check_decimals
from mesh_agents.notification import OrderConfirmation, notification
from mesh_agents.payment import Charge, PaymentMethod, payment
from sagamesh import Message, Task
from sagamesh.failure import FieldError

_MARGIN_SECONDS = 3600


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
    currency: Currency
    lines: Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=100)]
    total: Amount
    payment_method: PaymentMethod
    deadline_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] | None = None
    approval_timeout_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] = 24 * 3600

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        check_decimals("total", self.total, self.currency)
        for n, line in enumerate(self.lines):
            check_decimals(f"lines[{n}].unit_price", line.unit_price, self.currency)
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

    @property
    def deadline(self) -> timedelta | None:
        """How long the order may take."""
        return None if self.deadline_seconds is None else timedelta(seconds=self.deadline_seconds)

    @property
    def approval_timeout(self) -> timedelta:
        """How long an approver has."""
        return timedelta(seconds=self.approval_timeout_seconds)

    @property
    def user(self) -> UserRef:
        """What accounts is asked."""
        return UserRef(user_id=self.customer)

    @property
    def items(self) -> tuple[ItemQuantity, ...]:
        """What is ordered, without prices."""
        return tuple(ItemQuantity(sku=line.sku, quantity=line.quantity) for line in self.lines)

    @property
    def reservation(self) -> ReserveItems:
        """What inventory is asked. The items are held while an approver may still answer, and a while longer."""
        return ReserveItems(items=self.items, hold_seconds=self.approval_timeout_seconds + _MARGIN_SECONDS)

    @property
    def charge(self) -> Charge:
        """What payment is asked."""
        return Charge(money=self.money, payment_method=self.payment_method, customer=self.customer)

    def confirmation(self, order_id: str, user: User) -> OrderConfirmation:
        """What the customer is told."""
        return OrderConfirmation(to=user.email, name=user.name, order_id=order_id, items=self.items, total=self.money)


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


order = Task(
    "Order",
    takes=OrderRequest,
    returns=OrderResult,
    queue="orders",
    uses=(accounts, inventory, payment, notification),
    customer="customer",
    tenant="customer",
    title=lambda request: f"{len(request.lines)} item{'s' * (len(request.lines) > 1)}, {request.money}",
    summary="Reserve, charge, confirm, notify",
)
