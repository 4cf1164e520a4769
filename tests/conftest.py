"""A real server for each test process, the faked agents on it, and workers for the tests' tasks."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel

from mesh_agents import accounts, inventory, notification, payment
from mesh_workflows.order import Order
from sagamesh import Capability, SagameshPlugin
from tests.support import deeds, flows
from tests.support.database_servers import database_server, postgres_installed
from tests.support.databases import database_url, postgres_server, postgresql_url, sqlite_url
from tests.support.engine import Engine, open_engine, serving
from tests.support.script import Cast

__all__ = [  # fixtures of every test
    "database_server",
    "database_url",
    "postgres_installed",
    "postgres_server",
    "postgresql_url",
    "sqlite_url",
]


def pytest_configure() -> None:
    """Let the processes that tests start hear Ctrl-C and hang-ups, also where this one was told to ignore them.

    A shell tells so what it starts in the background, as does nohup; it is inherited, whereas a handler is not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


_LIMIT = Decimal(100)
"""Up to which total the faked users may order without asking."""


def _usual() -> dict[Capability[Any, Any], Callable[[Any], BaseModel]]:
    until = datetime(2100, 1, 1, tzinfo=UTC)
    usual: dict[Capability[Any, Any], Callable[[Any], BaseModel]] = {
        accounts.validate: lambda user: accounts.User(
            user_id=user.user_id, name="Ada", email="ada@example.org", approval_limit=_LIMIT
        ),
        inventory.reserve: lambda _: inventory.Reservation(reservation_id="r-1", expires_at=until),
        inventory.release: lambda wanted: inventory.Released(reservation_id="r-1", items=wanted.items),
        inventory.confirm: lambda wanted: inventory.Confirmed(reservation_id=wanted.reservation_id),
        payment.charge: lambda wanted: payment.Receipt(payment_id="pi_1", money=wanted.money),
        payment.refund: lambda _: payment.Refunded(payment_id="pi_1", refund_id="re_1"),
        notification.confirm_order: lambda _: notification.Delivery(message_id="<m-1>"),
    }
    for capability in deeds.works.capabilities.values():
        usual[capability] = partial(_done, capability.name)
    return usual


def _done(what: str, _: BaseModel) -> BaseModel:
    return deeds.Done(what=what)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cached_engine() -> AsyncIterator[Engine]:
    """The engine, tasks hosted as in production."""
    agents = (accounts.accounts, inventory.inventory, payment.payment, notification.notification, deeds.works)
    plugin = SagameshPlugin(passthrough=("mesh_agents", "tests"))
    async with (
        open_engine(Cast(agents, _usual()), plugin) as engine,
        serving(engine.temporal, "orders", [Order]),
        serving(engine.temporal, "deeds", flows.FLOWS),
    ):
        yield engine


@pytest.fixture(params=["cached", "replayed"])
def engine(request: pytest.FixtureRequest, cached_engine: Engine) -> Engine:
    """The engine; each test runs on a worker that keeps tasks in memory, and on one that replays them for each step."""
    return replace(cached_engine, replayed=request.param == "replayed")
