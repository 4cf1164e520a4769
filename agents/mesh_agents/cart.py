"""Cart: what a customer has chosen so far, and what of it is being bought."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.accounts import UserId
from mesh_agents.inventory import ItemQuantity
from mesh_agents.once import check_once
from sagamesh import Agent, BusinessError, Message, seconds

MOST_ITEMS = 100
"""Different items in one cart."""

CartId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+-]*$", max_length=200)]


class CartRef(Message):
    """One of a customer's carts. `version` is the one that the customer saw; None when that does not matter."""

    owner: UserId
    cart: CartId
    version: Annotated[int, Field(ge=0)] | None = None


class Change(Message):
    """Items to put into a cart, or to take out of it. The cart is made when it is not there. Each SKU stands once."""

    owner: UserId
    cart: CartId
    items: Annotated[tuple[ItemQuantity, ...], Field(min_length=1, max_length=MOST_ITEMS)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_once("items[{}].sku", [item.sku for item in self.items])
        return self


class Contents(Message):
    """What is in a cart, by SKU. Every change makes another version; 0 is a cart that nobody has used."""

    owner: UserId
    cart: CartId
    version: int
    items: tuple[ItemQuantity, ...] = ()


class Basket(Message):
    """What was in a cart when it was checked out, by SKU; the cart is empty since. `version` is the one bought."""

    owner: UserId
    cart: CartId
    version: int
    items: tuple[ItemQuantity, ...]


class CartEmpty(BusinessError):
    """There is nothing to buy in the cart. Details: `owner`, `cart`."""


class CartChanged(BusinessError):
    """The cart is not as the customer saw it. Details: `owner`, `cart`, `seen`, `version`."""


class CartFull(BusinessError):
    """More than a cart holds; nothing was changed. Details: `owner`, `cart`, and `sku` where it is one item."""


cart = Agent("cart", depends_on=["identity", "catalog"], summary="What customers have chosen")
add = cart.capability(
    "add", takes=Change, returns=Contents, timeout=seconds(10), inline=True, summary="Put the items into the cart"
)
remove = cart.capability(
    "remove", takes=Change, returns=Contents, timeout=seconds(10), inline=True, summary="Take the items out of the cart"
)
show = cart.capability(
    "show", takes=CartRef, returns=Contents, timeout=seconds(10), inline=True, summary="What is in the cart?"
)
check_out = cart.capability(
    "checkout", takes=CartRef, returns=Basket, timeout=seconds(10), inline=True, summary="Buy what is in the cart"
)
reopen = cart.capability(
    "reopen", takes=CartRef, returns=Contents, timeout=seconds(10), inline=True, summary="Put it back into the cart"
)
