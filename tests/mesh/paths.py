"""The paths of a checkout: how the agents answer, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mesh_agents import (
    accounts,
    analytics,
    cart,
    catalog,
    identity,
    inventory,
    notification,
    payment,
    recommendation,
    records,
)
from mesh_agents.catalog import Product
from mesh_agents.checkout import CheckoutRequest, NewPrices, checkout, publish_prices
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from sagamesh import Client, Message, Task, current_call
from sagamesh.testing import Fakes

__all__ = ["PATHS", "Path", "agents"]

_LATER = datetime(2100, 1, 1, tzinfo=UTC)
_ITEMS = (ItemQuantity(sku="cup", quantity=1), ItemQuantity(sku="tea", quantity=2))
_TOTAL = Money(amount=Decimal("18.20"), currency="EUR")
_LINES = (
    catalog.QuotedLine(sku="cup", title="A cup", quantity=1, unit_price=Decimal("12.00")),
    catalog.QuotedLine(sku="tea", title="Tea", quantity=2, unit_price=Decimal("3.10")),
)


def _bought(**more: Any) -> CheckoutRequest:
    return CheckoutRequest.model_validate(
        {"customer": "ada", "session": "s-1", "currency": "EUR", "payment_method": "pm_card_visa", "items": _ITEMS}
        | more
    )


_BOUGHT = _bought()
_PRICES = NewPrices(
    name="autumn",
    products=(Product(sku="tea", title="Tea", prices=(Money(amount=Decimal("3.10"), currency="EUR"),)),),
)


@dataclass(frozen=True)
class Path:
    """One way through a task.

    - `ends`: words of its fingerprint that say how it ends.
    - `act`: changes how the agents answer. All goes well unless told otherwise.
    """

    name: str
    ends: str
    act: Callable[[Fakes, Client], Fakes] = lambda fakes, _: fakes
    task: Task[Any, Any] = checkout
    asked: Message = _BOUGHT


def agents(path: Path, client: Client) -> Fakes:
    """The agents as this path has them."""
    filed = records.Filed(collection="orders", name="o-1", version=1, digest="0" * 64)
    emptied = cart.Contents(owner="ada", cart="c-1", version=3)
    fakes = (
        Fakes(
            identity.identity,
            cart.cart,
            catalog.catalog,
            accounts.accounts,
            inventory.inventory,
            payment.payment,
            notification.notification,
            records.records,
            analytics.analytics,
            recommendation.recommendation,
        )
        .on(identity.resolve, identity.Principal(user_id="ada", roles=("buyer",), expires_at=_LATER))
        .on(cart.add, lambda wanted: cart.Contents(owner="ada", cart="c-1", version=1, items=wanted.items))
        .on(cart.remove, emptied)
        .on(cart.check_out, cart.Basket(owner="ada", cart="c-1", version=1, items=_ITEMS))
        .on(cart.reopen, cart.Contents(owner="ada", cart="c-1", version=3, items=_ITEMS))
        .on(catalog.quote, catalog.Quote(price_list=1, lines=_LINES, total=_TOTAL))
        .on(catalog.publish, catalog.Published(version=2, products=1))
        .on(
            accounts.validate,
            accounts.User(user_id="ada", name="Ada", email="ada@example.org", approval_limit=Decimal(100)),
        )
        .on(inventory.reserve, inventory.Reservation(reservation_id="r-1", expires_at=_LATER))
        .on(inventory.release, lambda wanted: inventory.Released(reservation_id="r-1", items=wanted.items))
        .on(inventory.confirm, lambda wanted: inventory.Confirmed(reservation_id=wanted.reservation_id))
        .on(payment.charge, lambda wanted: payment.Receipt(payment_id="pi_1", money=wanted.money))
        .on(payment.refund, payment.Refunded(payment_id="pi_1", refund_id="re_1"))
        .on(notification.confirm_order, notification.Delivery(message_id="<m-1@example.org>"))
        .on(records.put, filed)
        .on(analytics.record, analytics.Recorded(event="orders/o-1@1"))
        .on(recommendation.learn, recommendation.Learned(purchases=1))
        .on(
            recommendation.suggest,
            recommendation.Suggestions(suggestions=(recommendation.Suggestion(sku="pot", score=0.5),)),
        )
    )
    return path.act(fakes, client)


def _declined(fakes: Fakes, _: Client) -> Fakes:
    declined = payment.Declined("the card was declined", code="card_declined", decline_code="generic_decline")
    return fakes.on(payment.charge, declined)


def _not_signed_in(fakes: Fakes, _: Client) -> Fakes:
    return fakes.on(identity.resolve, identity.SessionEnded("it is closed", session="s-1", ended="closed"))


def _dearer(fakes: Fakes, _: Client) -> Fakes:
    return fakes.on(
        catalog.quote,
        catalog.PriceChanged("dearer", expected="18.00", total="18.20", currency="EUR", price_list=1),
    )


def _cancelled_while_quoting(fakes: Fakes, client: Client) -> Fakes:
    async def quote(_: catalog.Wanted) -> catalog.Quote:
        await client.handle(checkout, current_call().task_id).cancel(reason="changed my mind")
        return catalog.Quote(price_list=1, lines=_LINES, total=_TOTAL)

    return fakes.on(catalog.quote, quote)


def _not_counted(fakes: Fakes, _: Client) -> Fakes:
    class Nonsense(records.UnknownRecord):
        """Something final."""

    return fakes.on(analytics.record, Nonsense("no such record"))


PATHS = (
    Path("checkout-done", "recommendation.learn"),
    Path("checkout-of-a-cart", "recommendation.learn", asked=_bought(cart="main", items=())),
    Path("checkout-not-signed-in", "failure SessionEnded", _not_signed_in),
    Path("checkout-price-changed", "failure PriceChanged", _dearer),
    Path("checkout-declined", "failure Declined", _declined),
    Path("checkout-cancelled", "end as cancelled", _cancelled_while_quoting),
    Path("checkout-not-counted", "event: null", _not_counted),
    Path("prices-published", "catalog.publish", task=publish_prices, asked=_PRICES),
)
"""Every path that is not one of an order alone."""
