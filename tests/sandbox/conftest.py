"""Sandbox gateways as real processes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.support.mailboxes import mailbox, own_mailbox
from tests.support.payment_gateways import Sandbox, running

__all__ = ["mailbox", "own_mailbox"]  # fixtures of every test here


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox gateway that the tests of this process share."""
    with running(Sandbox(tmp_path_factory.mktemp("sandbox"))) as server:
        yield server


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """One with books of its own, which the test may kill."""
    with running(Sandbox(tmp_path)) as server:
        yield server


@pytest.fixture
def key() -> str:
    """An idempotency key that nobody has used."""
    return uuid.uuid4().hex


@pytest_asyncio.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client with a good key."""
    async with sandbox.client() as opened:
        yield opened
