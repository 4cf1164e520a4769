"""The pool of the agent `accounts`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.accounts import Accounts
from mesh_agents.accounts import accounts, validate
from mesh_workers import dependencies, seed
from mesh_workers.settings import AccountsSettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `accounts` from the database that SAGAMESH_ACCOUNTS_DATABASE names."""
    settings = read_settings(AccountsSettings)
    async with (
        Accounts.open(settings.database) as implementation,
        dependencies.database(settings.database) as answers,
    ):
        if settings.seed == "demo":
            for user, blocked in seed.USERS:
                await implementation.enrol(user, blocked=blocked)
        yield Pool(accounts, checks={"database": answers}).serve(validate, implementation.validate)
