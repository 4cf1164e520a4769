"""The books of the inventory: what a proof of conservation is made from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from mesh_agents.inventory import ItemQuantity
from sagamesh import Message

__all__ = ["Book", "Entry", "discrepancies"]


class Book(Message):
    """One item: `on_hand` + `reserved` + `sold` = `delivered`, at every moment."""

    sku: str
    delivered: int
    on_hand: int
    reserved: int
    sold: int


class Entry(Message):
    """One reservation. `state` is `reserved`, `confirmed`, `released` or `expired`.

    `items` is empty for a reservation that was released before it was made.
    """

    reservation_id: str
    state: str
    expires_at: datetime
    items: tuple[ItemQuantity, ...]


def discrepancies(books: Collection[Book], entries: Collection[Entry], delivered: Mapping[str, int]) -> list[str]:
    """What does not add up, a sentence each; empty when everything does.

    The books are held against themselves, against the reservations, and against what was `delivered` of each SKU.
    """
    found = []
    for book in books:
        reserved, sold = _sum(entries, "reserved", book.sku), _sum(entries, "confirmed", book.sku)
        checks = (
            (min(book.delivered, book.on_hand, book.reserved, book.sold) >= 0, "something is negative"),
            (book.on_hand + book.reserved + book.sold == book.delivered, "the parts are not what was delivered"),
            (book.reserved == reserved, f"reservations hold {reserved}"),
            (book.sold == sold, f"confirmed reservations are of {sold}"),
            (book.delivered == delivered.get(book.sku, 0), f"deliveries brought {delivered.get(book.sku, 0)}"),
        )
        found += [f"{problem}: {book!r}" for good, problem in checks if not good]
    return found


def _sum(entries: Collection[Entry], state: str, sku: str) -> int:
    return sum(item.quantity for entry in entries if entry.state == state for item in entry.items if item.sku == sku)
