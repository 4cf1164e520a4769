"""Accounts: users in a SQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy import Column, MetaData, String, Table, select, update

from mesh_activities.columns import Exact
from mesh_agents.accounts import UnknownUser, User, UserBlocked, UserRef
from sagamesh.database import Database

__all__ = ["Accounts", "metadata"]

metadata = MetaData()

_users = Table(
    "accounts_users",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("email", String, nullable=False),
    Column("approval_limit", Exact, nullable=False),
    Column("blocked", String, comment="why the user may not order; NULL for a user who may"),
)


class Accounts:
    """Serves the agent `accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Connect to the database of this URL (see `Database.open`), for the length of the block."""
        async with Database.open(url, metadata) as database:
            yield cls(database)

    async def validate(self, ref: UserRef) -> User:
        """The user, who may order.

        Raises:
            UnknownUser, UserBlocked: as the contract says.
        """
        async with self._database.reading() as connection:
            found = (await connection.execute(select(_users).where(_users.c.user_id == ref.user_id))).one_or_none()
        if found is None:
            raise UnknownUser(f"no user is called {ref.user_id}", user_id=ref.user_id)
        if found.blocked is not None:
            raise UserBlocked(
                f"{ref.user_id} may not order: {found.blocked}", user_id=ref.user_id, reason=found.blocked
            )
        return User(user_id=found.user_id, name=found.name, email=found.email, approval_limit=found.approval_limit)

    async def enrol(self, user: User, *, blocked: str | None = None) -> None:
        """Add the user, or replace what is known of them. `blocked` is why they may not order, None for one who may."""
        values = {**user.model_dump(), "blocked": blocked}
        async with self._database.transaction() as connection:
            if not await self._database.insert_new(connection, _users, values):
                await connection.execute(update(_users).where(_users.c.user_id == user.user_id).values(**values))
