"""What is in a cart after a change: decisions without a database. Contents are quantities by SKU."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh_agents.cart import MOST_ITEMS, CartFull
from mesh_agents.inventory import ItemQuantity

__all__ = ["check_room", "items_of", "with_items", "with_restored", "without_items"]

_MOST_OF_ONE = 10_000


def with_items(contents: Mapping[str, int], items: Iterable[ItemQuantity], *, owner: str, cart: str) -> dict[str, int]:
    """The contents and the items.

    Raises:
        CartFull: as the contract says.
    """
    found = dict(contents)
    for item in items:
        found[item.sku] = found.get(item.sku, 0) + item.quantity
        if found[item.sku] > _MOST_OF_ONE:
            message = f"a cart holds at most {_MOST_OF_ONE:,} of {item.sku}"
            raise CartFull(message, owner=owner, cart=cart, sku=item.sku)
    check_room(found, owner=owner, cart=cart)
    return found


def check_room(contents: Mapping[str, int], *, owner: str, cart: str) -> None:
    """Refuse more different items than a cart holds.

    Raises:
        CartFull: as the contract says.
    """
    if len(contents) > MOST_ITEMS:
        raise CartFull(f"a cart holds at most {MOST_ITEMS} different items", owner=owner, cart=cart)


def without_items(contents: Mapping[str, int], items: Iterable[ItemQuantity]) -> dict[str, int]:
    """The contents without as much of the items as is in them."""
    found = dict(contents)
    for item in items:
        found[item.sku] = found.get(item.sku, 0) - item.quantity
    return {sku: quantity for sku, quantity in found.items() if quantity > 0}


def with_restored(contents: Mapping[str, int], items: Iterable[ItemQuantity]) -> dict[str, int]:
    """The contents and items that were in the cart before: however full it is, of each as many as it can hold."""
    found = dict(contents)
    for item in items:
        found[item.sku] = min(found.get(item.sku, 0) + item.quantity, _MOST_OF_ONE)
    return found


def items_of(contents: Mapping[str, int]) -> tuple[ItemQuantity, ...]:
    """As items, by SKU."""
    return tuple(ItemQuantity(sku=sku, quantity=quantity) for sku, quantity in sorted(contents.items()))
