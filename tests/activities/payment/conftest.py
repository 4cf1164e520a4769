"""Gateways as real processes: the sandbox of the embedded stack, and localstripe, which nobody here wrote."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio
from pydantic import SecretStr

from mesh_activities.payment import Payments, metadata
from mesh_activities.stripe import Stripe
from mesh_agents.money import Money
from mesh_agents.payment import Charge
from sagamesh.database import Database
from tests.support.attempts import AsCall
from tests.support.payment_gateways import (
    API_KEY,
    ChargeOf,
    LocalStripe,
    OpenPayments,
    Persistence,
    Sandbox,
    Server,
    Till,
    running,
)


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox gateway that all tests of this process share."""
    with running(Sandbox(tmp_path_factory.mktemp("sandbox"))) as server:
        yield server


@pytest.fixture(scope="package")
def forgetful_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox gateway that forgets its idempotency keys at once, as others do after a day."""
    with running(Sandbox(tmp_path_factory.mktemp("forgetful"), "--keep-keys", "0")) as server:
        yield server


@pytest.fixture(scope="package")
def localstripe() -> Iterator[LocalStripe]:
    """A localstripe that all tests of this process share."""
    with running(LocalStripe()) as server:
        yield server


@pytest.fixture(params=["sandbox", "localstripe"])
def gateway(request: pytest.FixtureRequest) -> Server:
    """Each test runs against both gateways."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, Server)
    return server


@pytest.fixture
def open_payments(sqlite_url: str) -> OpenPayments:
    """The agent on a SQLite database, with a patience or a key of one's own."""

    @asynccontextmanager
    async def opened(
        gateway: Server, *, patience: timedelta = timedelta(seconds=12), api_key: str = API_KEY
    ) -> AsyncIterator[Payments]:
        async with (
            Stripe.open(gateway.url, SecretStr(api_key)) as stripe,
            Database.open(sqlite_url, metadata) as database,
        ):
            yield Payments(database, stripe, patience=patience)

    return opened


@pytest_asyncio.fixture
async def payments(gateway: Server, database_url: str) -> AsyncIterator[Payments]:
    """The agent as a pool opens it: on both databases, against both gateways."""
    async with Payments.open(database_url, gateway.url, SecretStr(API_KEY)) as opened:
        yield opened


@pytest.fixture
def task_id() -> str:
    """A task of its own for each test, because gateways are shared."""
    return f"order-{uuid.uuid4().hex}"


@pytest.fixture
def key(task_id: str) -> str:
    """The key of the task's charge."""
    return f"{task_id}/payment.charge"


@pytest.fixture
def charge_of() -> ChargeOf:
    """Makes a charge of 12.50 EUR, or of what is asked for."""

    def made(payment_method: str = "pm_card_visa", amount: str = "12.50", currency: str = "EUR") -> Charge:
        return Charge(
            money=Money(amount=Decimal(amount), currency=currency),
            payment_method=payment_method,
            customer="ada",
            description="2 lamps",
        )

    return made


@pytest.fixture
def persist() -> Persistence:
    """Retries as the engine does."""
    return Persistence()


@pytest.fixture
def till(payments: Payments, as_call: AsCall, task_id: str) -> Till:
    """The task's charge and its undo: on both databases, against both gateways."""
    return Till(payments, as_call, task_id)
