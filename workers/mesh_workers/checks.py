"""The proof that `sagamesh load` and `sagamesh chaos` end with: every order against everybody's books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mesh_agents.order import OrderRequest, OrderResult
from mesh_workers.audit import EndedOrder, Sources, audit
from sagamesh.load import Ended

__all__ = ["ENDINGS", "check"]

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


async def check(ended: Iterable[Ended], environment: Mapping[str, str]) -> list[str]:
    """What is wrong with these orders: an ending that is none, money, stock, or mail that does not fit it.

    Raises:
        InvalidInput: when the environment does not say where the books are.
        httpx.HTTPError: when gateway or mailbox do not answer.
    """
    wrong: list[str] = []
    orders: list[EndedOrder] = []
    for each in ended:
        if each.outcome not in ENDINGS:
            wrong.append(f"{each.id}: ended as {each.outcome}, which no order should")
        if not isinstance(each.input, OrderRequest):
            raise TypeError(f"{each.id} is no order but {type(each.input).__name__}")
        notified = isinstance(each.result, OrderResult) and each.result.notified
        orders.append(EndedOrder(each.id, each.input, completed=each.completed, notified=notified))
    found = await audit(orders, Sources.of(environment))
    return [*wrong, *found.violations]
