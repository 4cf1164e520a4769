"""The checkout task: a cart becomes an order; and the task that publishes a price list."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.accounts import UserId, accounts
from mesh_agents.analytics import EventId, analytics
from mesh_agents.cart import MOST_ITEMS, Basket, CartId, CartRef, Change, cart
from mesh_agents.catalog import PriceList, Product, Published, Quote, Wanted, catalog
from mesh_agents.identity import Claim, SessionId, identity
from mesh_agents.inventory import ItemQuantity, inventory
from mesh_agents.money import Amount, Currency
from mesh_agents.notification import notification
from mesh_agents.once import check_once
from mesh_agents.order import OrderLine, OrderRequest, OrderResult
from mesh_agents.payment import PaymentMethod, payment
from mesh_agents.recommendation import Suggestion, recommendation
from mesh_agents.records import Filed, NewRecord, RecordName, records
from sagamesh import Message, Task
from sagamesh.failure import FieldError

ORDERS = "orders"
"""The collection of records in which completed orders are kept, under the ids of their tasks."""

PRICE_LISTS = "price-lists"
"""The collection of records in which price lists are kept."""

BUYER = "buyer"
"""The role of those who may check out."""


class CheckoutRequest(Message):
    """What a signed-in customer buys: a cart of theirs, or `items`, or `items` put into that cart first.

    - `session`: of the customer, open.
    - `cart`: one that is there already; None for a cart of the task's own, which then needs `items`.
    - `expected_total`: what the customer was shown; another total is refused. None for nothing yet.
    - `deadline_seconds`, `approval_timeout_seconds`: as of an order.
    """

    customer: UserId
    session: SessionId
    cart: CartId | None = None
    items: Annotated[tuple[ItemQuantity, ...], Field(max_length=MOST_ITEMS)] = ()
    currency: Currency
    expected_total: Amount | None = None
    payment_method: PaymentMethod
    deadline_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] | None = None
    approval_timeout_seconds: Annotated[int, Field(ge=1, le=30 * 24 * 3600)] = 24 * 3600

    @model_validator(mode="after")
    def _something(self) -> Self:
        check_once("items[{}].sku", [item.sku for item in self.items])
        if self.cart is None and not self.items:
            raise FieldError("items", "are needed where no cart is named")
        return self

    @property
    def deadline(self) -> timedelta | None:
        """How long the checkout may take."""
        return None if self.deadline_seconds is None else timedelta(seconds=self.deadline_seconds)

    @property
    def claim(self) -> Claim:
        """What identity is asked."""
        return Claim(session=self.session, user_id=self.customer, role=BUYER)

    def chosen(self, task_id: str) -> CartRef:
        """The cart that is bought."""
        return CartRef(owner=self.customer, cart=self.cart or task_id)

    def change(self, chosen: CartRef) -> Change:
        """What is put into that cart first."""
        return Change(owner=chosen.owner, cart=chosen.cart, items=self.items)

    def wanted(self, basket: Basket) -> Wanted:
        """What catalog is asked."""
        return Wanted(items=basket.items, currency=self.currency, expected_total=self.expected_total)

    def order(self, quote: Quote) -> OrderRequest:
        """The order at these prices."""
        lines = [OrderLine(sku=each.sku, quantity=each.quantity, unit_price=each.unit_price) for each in quote.lines]
        return OrderRequest(
            customer=self.customer,
            currency=quote.total.currency,
            lines=tuple(lines),
            total=quote.total.amount,
            payment_method=self.payment_method,
            deadline_seconds=self.deadline_seconds,
            approval_timeout_seconds=self.approval_timeout_seconds,
        )


class CheckoutResult(Message):
    """A completed order, and what became of it besides.

    - `quote`: by which prices.
    - `record`, `event`: where it is kept, and as what it was counted; None where that did not succeed, and
      `problems` then says why.
    - `suggestions`: what goes with it; empty where nobody knows.
    """

    order: OrderResult
    quote: Quote
    record: Filed | None = None
    event: EventId | None = None
    learned: bool = False
    suggestions: tuple[Suggestion, ...] = ()
    problems: tuple[str, ...] = ()


checkout = Task(
    "Checkout",
    takes=CheckoutRequest,
    returns=CheckoutResult,
    queue="orders",
    uses=(
        identity,
        cart,
        catalog,
        accounts,
        inventory,
        payment,
        notification,
        records,
        analytics,
        recommendation,
    ),
    customer="customer",
    tenant="customer",
    title=lambda request: f"{len(request.items)} items" if request.cart is None else f"cart {request.cart}",
    summary="Buy a cart",
)


class NewPrices(Message):
    """A price list to publish, and the name under which it is kept."""

    name: RecordName
    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _ = self.record  # too many for one record, or for a price list, is known before anything happens
        _ = self.prices(None)
        return self

    @property
    def record(self) -> NewRecord:
        """What records is asked."""
        return NewRecord(collection=PRICE_LISTS, name=self.name, body=self.model_dump(mode="json", exclude={"name"}))

    def prices(self, source: Filed | None) -> PriceList:
        """What catalog is asked."""
        return PriceList(products=self.products, source=source)


publish_prices = Task(
    "PublishPrices",
    takes=NewPrices,
    returns=Published,
    queue="orders",
    uses=(records, catalog),
    title=lambda request: f"{request.name}: {len(request.products)} products",
    summary="Keep a price list, and put it in force",
)
