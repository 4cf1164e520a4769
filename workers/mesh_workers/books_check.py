"""Holds what the orders say against the books of everybody else: gateway, stock, mailbox.

Nothing here is counted by the orders themselves: the gateway's books come from the gateway, the stock's from its
database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import httpx

from mesh_activities.books import Book, Entry
from mesh_activities.inventory import Stock
from mesh_agents.money import MINOR_DIGITS
from mesh_agents.order import OrderRequest
from sagamesh.errors import InvalidInput
from sagamesh.failure import FieldProblem

__all__ = ["BooksCheck", "EndedOrder", "Sources", "check_books"]

_RESERVE = "inventory.reserve"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the books are: base URLs of gateway and mailbox, SQLAlchemy URL of the stock's database."""

    gateway: str
    mailbox: str
    inventory: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """As the pools with this environment know them.

        Raises:
            InvalidInput: naming the variables that it lacks.
        """
        names = {
            "gateway": "SAGAMESH_PAYMENT_URL",
            "mailbox": "SAGAMESH_MAIL_SANDBOX",
            "inventory": "SAGAMESH_INVENTORY_DATABASE",
        }
        missing = [FieldProblem(field=name, problem="is not set") for name in names.values() if name not in environment]
        if missing:
            raise InvalidInput("the environment for the check of the books", missing)
        return cls(**{source: environment[name] for source, name in names.items()})


@dataclass(frozen=True, slots=True)
class EndedOrder:
    """An order that has ended, and how: completed or undone; for a completed one, whether the customer was told.

    - `request`: None for one that was undone before anybody knew its prices.
    """

    id: str
    request: OrderRequest | None
    completed: bool
    notified: bool = False

    @property
    def sold(self) -> OrderRequest | None:
        """What was sold; None for what was undone."""
        return self.request if self.completed else None


@dataclass(frozen=True, slots=True)
class BooksCheck:
    """What the books say about a set of orders.

    - `earned`: what completed orders should have brought; `taken`: what the gateway took and kept for all of them.
      By currency, in major units.
    - `stock`: the books of every item.
    - `mails`: how many of the orders the mailbox has a mail of.
    - `violations`: everything that does not fit, one sentence each; empty when all is well.
    """

    earned: dict[str, Decimal]
    taken: dict[str, Decimal]
    stock: tuple[Book, ...]
    mails: int
    violations: tuple[str, ...]


async def check_books(orders: Iterable[EndedOrder], sources: Sources) -> BooksCheck:
    """Read the books and compare them with the orders.

    Raises:
        httpx.HTTPError: when gateway or mailbox do not answer.
    """
    orders = list(orders)
    async with httpx.AsyncClient(timeout=30) as http:
        payments = (await http.get(f"{sources.gateway}/books")).raise_for_status().json()["payments"]
        mails = (await http.get(f"{sources.mailbox}/mails")).raise_for_status().json()
    async with Stock.open(sources.inventory) as stock:
        books, entries, violations = await stock.books(), await stock.reservations(), await stock.audit()
    by_order: dict[str, list[dict[str, Any]]] = {}
    for payment in payments:
        by_order.setdefault(payment["metadata"].get("task_id", ""), []).append(payment)
    reservations = {entry.reservation_id: entry for entry in entries}
    words = Counter(word for mail in mails for word in set(mail["subject"].split()))
    earned: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    mailed = 0
    for order in orders:
        own = by_order.get(order.id, [])
        for payment in own:
            taken[payment["currency"].upper()] += payment["amount_charged"] - payment["amount_refunded"]
        if order.sold is not None:
            earned[order.sold.currency] += order.sold.money.minor
        violations += _money(order, own) + _stock(order, reservations.get(f"{order.id}/{_RESERVE}"))
        mailed += bool(words[order.id])
        violations += _mail(order, words[order.id])
    return BooksCheck(
        earned=_major(earned),
        taken=_major(taken),
        stock=tuple(books),
        mails=mailed,
        violations=tuple(violations),
    )


def _money(order: EndedOrder, payments: list[dict[str, Any]]) -> list[str]:
    found = []
    charges = sum(payment["charges"] for payment in payments)
    kept = sum(payment["amount_charged"] - payment["amount_refunded"] for payment in payments)
    due = order.sold.money.minor if order.sold is not None else 0
    if kept != due:
        found.append(f"{order.id}: the gateway kept {kept} minor units, should be {due}")
    if charges > 1:
        found.append(f"{order.id}: charged {charges} times")
    if any(payment["amount_refunded"] > payment["amount_charged"] for payment in payments):
        found.append(f"{order.id}: more was refunded than charged")
    return found


def _stock(order: EndedOrder, entry: Entry | None) -> list[str]:
    state = entry.state if entry is not None else "none"
    sold = order.sold
    if sold is not None and (entry is None or state != "confirmed" or set(entry.items) != set(sold.items)):
        return [f"{order.id}: completed, but its reservation is {state}"]
    if not order.completed and state in ("reserved", "confirmed"):
        return [f"{order.id}: undone, but its reservation is {state}"]
    return []


def _mail(order: EndedOrder, mails: int) -> list[str]:
    # A mail whose acceptance was never heard of may lie there although the order says that nobody was told.
    least, most = int(order.notified), int(order.completed)
    if least <= mails <= most:
        return []
    return [f"{order.id}: {mails} mails, should be {most}"]


def _major(amounts: Counter[str]) -> dict[str, Decimal]:
    return {
        currency: Decimal(minor).scaleb(-MINOR_DIGITS[currency]) for currency, minor in sorted(amounts.items()) if minor
    }
