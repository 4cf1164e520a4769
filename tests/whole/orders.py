"""Orders for whole-stack tests: sent by id until the server has them, awaited until it tells their end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.service import RPCError

from mesh_agents.order import OrderRequest, OrderResult, order
from mesh_workers import app
from mesh_workers.books_check import EndedOrder
from mesh_workers.seed import one_line
from sagamesh import Client, TaskHandle
from sagamesh.errors import ServerUnreachable, TaskFailed


@dataclass(frozen=True, slots=True)
class Sent:
    """An order of a test, and how it must end: `completed` or the type of its failure."""

    id: str
    request: OrderRequest
    expected: str


def mixed(prefix: str, count: int) -> list[Sent]:
    """Seven good orders of ten, a declined one, one out of stock, one of a blocked customer; charges with faults."""
    kinds = [
        (one_line(), "completed"),
        (one_line("lamp", 2, "39.90"), "completed"),
        (one_line(pay="pm_sandbox_fail_1"), "completed"),
        (one_line("violin", 7, "10.00"), "OutOfStock"),
        (one_line("desk", 1, "399.00"), "completed"),
        (one_line(pay="pm_card_chargeDeclined"), "Declined"),
        (one_line(pay="pm_sandbox_answer_lost"), "completed"),
        (one_line("lamp", 3, "39.90"), "completed"),
        (one_line(customer="mallory"), "UserBlocked"),
        (one_line("book", 5), "completed"),
    ]
    return [Sent(f"{prefix}-{n:04}", *kinds[n % len(kinds)]) for n in range(count)]


class Shop:
    """A client that goes on when the server is killed under it, as a shop's backend would.

    - `patience`: seconds for which the server may stay away.
    - `inline`: whether its orders run inline.
    """

    def __init__(self, address: str, *, patience: float, inline: bool = False) -> None:
        self._address = address
        self._inline = inline
        self._patience = patience
        self._away_since: float | None = None
        self._client: Client | None = None

    async def place(self, sent: Sent) -> TaskHandle[OrderResult]:
        """Send an order until the server has it; sending twice is one order."""
        while True:
            try:
                handle = await (await self._connected()).start(order, sent.request, id=sent.id, inline=self._inline)
                self._away_since = None
                return handle
            except (ServerUnreachable, RPCError):
                await self._again()

    async def ending(self, sent: Sent) -> tuple[str, EndedOrder]:
        """How the order ended."""
        while True:
            try:
                handle = (await self._connected()).handle(order, sent.id)
                result = await handle.result()
            except (ServerUnreachable, RPCError):
                await self._again()
            except TaskFailed as error:
                return error.failure.type, EndedOrder(sent.id, sent.request, completed=False)
            else:
                self._away_since = None
                return "completed", EndedOrder(sent.id, sent.request, completed=True, notified=result.notified)

    async def endings(self, orders: Sequence[Sent]) -> list[tuple[str, EndedOrder]]:
        """How each ended, in their order."""
        return list(await asyncio.gather(*(self.ending(sent) for sent in orders)))

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await Client.connect(plugin=app.plugin(), address=self._address)
        return self._client

    async def _again(self) -> None:
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() - self._away_since > self._patience:
            raise TimeoutError("the server did not come back in time")
        await asyncio.sleep(0.2)
