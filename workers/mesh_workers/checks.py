"""The proof that `sagamesh load` and `sagamesh chaos` end with: every order against everybody's books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mesh_agents.checkout import CheckoutRequest, CheckoutResult
from mesh_agents.order import OrderRequest, OrderResult
from mesh_workers.books_check import EndedOrder, Sources, check_books
from sagamesh.load import Ended

__all__ = ["ENDINGS", "REFUSALS", "check"]

ENDINGS: Final = frozenset(
    {
        "completed",
        "ApprovalTimedOut",
        "Cancelled",
        "DeadlineExceeded",
        "Declined",
        "InvalidInput",
        "OutOfStock",
        "PaymentRefused",
        "Rejected",
        "UnknownSku",
        "UnknownUser",
        "UserBlocked",
    }
)
"""How an order may end. Whatever else ended one was a fault, and an order survives faults."""

REFUSALS: Final = frozenset(
    {
        "CartChanged",
        "CartEmpty",
        "CartFull",
        "PriceChanged",
        "QuoteTooLarge",
        "RoleNeeded",
        "SessionEnded",
        "UnknownPrincipal",
        "UnknownProduct",
        "UnknownSession",
    }
)
"""How a checkout may end besides."""


async def check(ended: Iterable[Ended], environment: Mapping[str, str]) -> list[str]:
    """What is wrong with these orders and checkouts: an ending that is none, money, stock or mail that does not fit.

    Raises:
        InvalidInput: when the environment does not say where the books are.
        httpx.HTTPError: when gateway or mailbox do not answer.
    """
    wrong: list[str] = []
    orders: list[EndedOrder] = []
    for each in ended:
        if each.outcome not in (ENDINGS | REFUSALS if isinstance(each.input, CheckoutRequest) else ENDINGS):
            wrong.append(f"{each.id}: ended as {each.outcome}, which no order should")
        orders.append(_order(each))
    found = await check_books(orders, Sources.of(environment))
    return [*wrong, *found.violations]


def _order(ended: Ended) -> EndedOrder:
    match ended.input:
        case OrderRequest():
            notified = isinstance(ended.result, OrderResult) and ended.result.notified
            return EndedOrder(ended.id, ended.input, completed=ended.completed, notified=notified)
        case CheckoutRequest() if isinstance(ended.result, CheckoutResult):
            sold, order = ended.input.order(ended.result.quote), ended.result.order
            return EndedOrder(ended.id, sold, completed=True, notified=order.notified)
        case CheckoutRequest():
            return EndedOrder(ended.id, None, completed=False)
        case other:
            raise TypeError(f"{ended.id} is no order but {type(other).__name__}")
