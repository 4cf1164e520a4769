"""Customers, stock and prices of the embedded stack, so that there is something to order, and an order of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from mesh_agents.accounts import User
from mesh_agents.catalog import PriceList, Product
from mesh_agents.checkout import BUYER
from mesh_agents.identity import Session
from mesh_agents.money import Money
from mesh_agents.order import OrderLine, OrderRequest

__all__ = ["PRICES", "ROLES", "SESSIONS", "STOCK", "USERS", "one_line"]


def _user(user_id: str, name: str, email: str, limit: int) -> User:
    return User(user_id=user_id, name=name, email=email, approval_limit=Decimal(limit))


USERS: Final[tuple[tuple[User, str | None], ...]] = (
    (_user("ada", "Ada Lovelace", "ada@shop.example", 500), None),
    (_user("grace", "Grace Hopper", "grace@shop.example", 100_000), None),
    # The mail server is down for everybody at this domain (see mesh_workers.sandbox.mailbox).
    (_user("linus", "Linus Example", "linus@down.example", 500), None),
    (_user("mallory", "Mallory Example", "mallory@shop.example", 500), "unpaid invoices"),
)

STOCK: Final = {
    "book": 10_000,
    "lamp": 10_000,
    "desk": 10_000,
    "violin": 3,
}

ROLES: Final = (BUYER,)
"""What each of the customers may do."""

SESSIONS: Final = tuple(
    Session(session=f"demo-{user.user_id}", user_id=user.user_id, expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    for user, _ in USERS
)
"""Each customer's session. Their names can be guessed, so it is for the embedded stack only."""


def _product(sku: str, title: str, euros: str, dollars: str) -> Product:
    prices = (Money(amount=Decimal(euros), currency="EUR"), Money(amount=Decimal(dollars), currency="USD"))
    return Product(sku=sku, title=title, prices=prices)


PRICES: Final = PriceList(
    products=(
        _product("book", "A book", "12.50", "14.00"),
        _product("lamp", "A desk lamp", "39.90", "44.00"),
        _product("desk", "A desk", "399.00", "449.00"),
        _product("violin", "A violin", "10.00", "11.00"),
    )
)


def one_line(
    sku: str = "book", quantity: int = 1, price: str = "12.50", *, customer: str = "ada", pay: str = "pm_card_visa"
) -> OrderRequest:
    """An order of one line in EUR."""
    line = OrderLine(sku=sku, quantity=quantity, unit_price=Decimal(price))
    total = line.unit_price * quantity
    return OrderRequest(customer=customer, currency="EUR", lines=(line,), total=total, payment_method=pay)
