"""The agent on a database and a mail server, and what it is asked to send."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

import pytest

from mesh_activities.notification import Mailer
from mesh_agents.inventory import ItemQuantity
from mesh_agents.money import Money
from mesh_agents.notification import Delivery, OrderConfirmation
from tests.support.attempts import AsCall
from tests.support.mail_servers import Certificate
from tests.support.mailboxes import mailbox, own_mailbox

__all__ = ["mailbox", "own_mailbox"]  # fixtures of every test here

PASSWORD = "correct horse battery staple"
STEP = "notification.confirm_order"


class OpenMailer(Protocol):
    def __call__(self, port: int, **options: Any) -> AbstractAsyncContextManager[Mailer]: ...


Send: TypeAlias = Callable[[Mailer, OrderConfirmation], Coroutine[Any, Any, Delivery]]


@pytest.fixture(scope="package")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For this machine, signed by nobody else."""
    return Certificate.make(tmp_path_factory.mktemp("certificate"), "DNS:localhost", "IP:127.0.0.1")


@pytest.fixture
def order_id() -> str:
    """An order of its own for each test."""
    return f"order-{uuid.uuid4().hex}"


@pytest.fixture
def confirmation(order_id: str) -> OrderConfirmation:
    """What a customer of this test's own is told."""
    return OrderConfirmation(
        to=f"ada.{order_id}@home.example",
        name="Ada Łovelace",
        order_id=order_id,
        items=(ItemQuantity(sku="lamp", quantity=2),),
        total=Money(amount=Decimal("12.50"), currency="EUR"),
    )


@pytest.fixture
def open_mailer(sqlite_url: str) -> OpenMailer:
    """The agent on a SQLite database, for the server on this port."""

    @asynccontextmanager
    async def opened(port: int, **options: Any) -> AsyncIterator[Mailer]:
        chosen = {"tls": "none", "timeout": timedelta(seconds=60), **options}
        url = chosen.pop("database_url", sqlite_url)
        host = chosen.pop("host", "127.0.0.1")
        async with Mailer.open(url, host, port, "orders@shop.example", **chosen) as mailer:
            yield mailer

    return opened


@pytest.fixture
def send(as_call: AsCall, order_id: str) -> Send:
    """Asks the agent as the order's task does; each call is one more attempt of the same step."""
    attempts = iter(range(1, 100))

    async def sent(mailer: Mailer, confirmation: OrderConfirmation) -> Delivery:
        environment = as_call(order_id, STEP, attempt=next(attempts))
        return await environment.run(mailer.confirm_order, confirmation)

    return sent
