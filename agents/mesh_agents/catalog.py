"""Catalog: what is sold, and at which price."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.inventory import ItemQuantity, Quantity, Sku
from mesh_agents.money import Amount, Currency, Money
from mesh_agents.once import check_once
from mesh_agents.records import Filed
from sagamesh import Agent, BusinessError, Message, seconds
from sagamesh.failure import FieldError


class Product(Message):
    """One product and its price in each currency in which it is sold. Nothing is for free."""

    sku: Sku
    title: Annotated[str, Field(min_length=1, max_length=200)]
    prices: Annotated[tuple[Money, ...], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _one_price_a_currency(self) -> Self:
        check_once("prices[{}].currency", [price.currency for price in self.prices])
        for n, price in enumerate(self.prices):
            if not price.amount:
                raise FieldError(f"prices[{n}].amount", "must be more than 0")
        return self


class PriceList(Message):
    """All that is sold from now on: what is not in it, is not sold. `source` is the record that it was taken from."""

    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=1000)]
    source: Filed | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_once("products[{}].sku", [product.sku for product in self.products])
        return self


class Published(Message):
    """A price list that is in force, or was; the highest version counts."""

    version: int
    products: int


class Wanted(Message):
    """What to quote. `expected_total` is what the customer was shown; None for nothing yet."""

    items: Annotated[tuple[ItemQuantity, ...], Field(min_length=1, max_length=100)]
    currency: Currency
    expected_total: Amount | None = None

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_once("items[{}].sku", [item.sku for item in self.items])
        return self


class QuotedLine(Message):
    """So many of one product, at a price each."""

    sku: Sku
    title: str
    quantity: Quantity
    unit_price: Amount


class Quote(Message):
    """What the items cost by the price list of this version."""

    price_list: int
    lines: tuple[QuotedLine, ...]
    total: Money


class Skus(Message):
    """Which products to describe."""

    skus: Annotated[tuple[Sku, ...], Field(max_length=100)]


class Products(Message):
    """Those of them that are sold, in the order asked for."""

    price_list: int
    products: tuple[Product, ...]


class UnknownProduct(BusinessError):
    """It is not sold, or not in this currency. Details: `sku`, `currency`, `field` (where in `items`)."""


class PriceChanged(BusinessError):
    """The items do not cost what the customer was shown. Details: `expected`, `total`, `currency`, `price_list`."""


class QuoteTooLarge(BusinessError):
    """The items together cost more than an order may. Details: `total`, `currency`."""


catalog = Agent("catalog", depends_on=["records", "inventory"], summary="What is sold, at which price")
publish = catalog.capability(
    "publish", takes=PriceList, returns=Published, timeout=seconds(30), inline=True, summary="New prices from now on"
)
quote = catalog.capability(
    "quote", takes=Wanted, returns=Quote, timeout=seconds(10), inline=True, summary="What does it cost?"
)
describe = catalog.capability(
    "describe", takes=Skus, returns=Products, timeout=seconds(10), inline=True, summary="What is it?"
)
