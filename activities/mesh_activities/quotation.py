"""What items cost by a price list: a decision without a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from mesh_agents.catalog import PriceChanged, QuotedLine, QuoteTooLarge, UnknownProduct
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money

__all__ = ["Priced", "quoted"]

_MOST = Decimal("9999999999.99")


class Priced(NamedTuple):
    """A product in the currency asked for."""

    title: str
    unit_price: Decimal


def quoted(
    items: Sequence[ItemQuantity],
    prices: Mapping[str, Priced],
    currency: str,
    *,
    price_list: int,
    expected_total: Decimal | None,
) -> tuple[tuple[QuotedLine, ...], Money]:
    """The items with their prices, and the total.

    - `prices`: by SKU, of `price_list` in `currency`.

    Raises:
        UnknownProduct, QuoteTooLarge, PriceChanged: as the contract says, the first that is found.
    """
    for n, item in enumerate(items):
        if item.sku not in prices:
            raise UnknownProduct(
                f"{item.sku} is not sold in {currency}", sku=item.sku, currency=currency, field=f"items[{n}].sku"
            )
    lines = tuple(
        QuotedLine(sku=item.sku, quantity=item.quantity, title=known.title, unit_price=known.unit_price)
        for item in items
        for known in [prices[item.sku]]
    )
    total = sum((line.unit_price * line.quantity for line in lines), Decimal(0))
    if total > _MOST:
        raise QuoteTooLarge(f"{total} {currency} is more than one order may be", total=str(total), currency=currency)
    if expected_total is not None and expected_total != total:
        raise PriceChanged(
            f"the items cost {total} {currency}, {expected_total} was expected",
            expected=str(expected_total),
            total=str(total),
            currency=currency,
            price_list=price_list,
        )
    return lines, Money(amount=total, currency=currency)
