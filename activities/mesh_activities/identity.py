"""Identity: principals and their sessions in a SQL database."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Column, ForeignKey, MetaData, String, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mesh_activities.columns import Instant
from mesh_activities.effects import Effects
from mesh_activities.store import Store
from mesh_agents.identity import (
    Claim,
    Closed,
    OpenSession,
    Principal,
    RoleNeeded,
    Session,
    SessionEnded,
    SessionRef,
    UnknownPrincipal,
    UnknownSession,
)
from sagamesh import current_call

__all__ = ["Identity", "metadata"]

metadata = MetaData()

_journal = Effects.journal("identity", metadata)
_principals = Table(
    "identity_principals",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("disabled", String, comment="why they may not sign in; NULL for who may"),
)
_roles = Table(
    "identity_roles",
    metadata,
    Column("user_id", ForeignKey(_principals.c.user_id), primary_key=True),
    Column("role", String, primary_key=True),
)
_sessions = Table(
    "identity_sessions",
    metadata,
    Column("session", String, primary_key=True),
    Column("user_id", ForeignKey(_principals.c.user_id), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("closed_at", Instant, comment="NULL while it is open"),
)


class Identity(Store):
    """Serves the agent `identity`."""

    metadata = metadata
    journal = _journal

    async def open_session(self, wanted: OpenSession) -> Session:
        """Open a session; every attempt of a step opens the same one.

        Raises:
            UnknownPrincipal: as the contract says.
            KeyReused: the same step opened another session before.
        """

        async def opened(connection: AsyncConnection) -> Session:
            await _admitted(connection, wanted.user_id)
            expires_at = self._now() + timedelta(minutes=wanted.minutes)
            made = Session(session=secrets.token_hex(16), user_id=wanted.user_id, expires_at=expires_at)
            await connection.execute(insert(_sessions).values(**made.model_dump()))
            return made

        return await self._effects.once(current_call().key, wanted, Session, opened)

    async def resolve(self, claim: Claim) -> Principal:
        """The user of the session, if it is open, theirs, and they have the role.

        Raises:
            UnknownSession, SessionEnded, UnknownPrincipal, RoleNeeded: as the contract says.
        """
        async with self._database.reading() as connection:
            wanted = select(_sessions).where(_sessions.c.session == claim.session)
            found = (await connection.execute(wanted)).one_or_none()
            # Somebody else's session is not told from none: its id would be worth guessing.
            if found is None or found.user_id != claim.user_id:
                raise UnknownSession(
                    f"{claim.user_id} has no session {claim.session}", session=claim.session, user_id=claim.user_id
                )
            ended = "closed" if found.closed_at is not None else "expired" if found.expires_at <= self._now() else ""
            if ended:
                raise SessionEnded(f"the session {claim.session} is {ended}", session=claim.session, ended=ended)
            await _admitted(connection, claim.user_id)
            had = select(_roles.c.role).where(_roles.c.user_id == claim.user_id).order_by(_roles.c.role)
            roles = tuple((await connection.execute(had)).scalars())
        if claim.role is not None and claim.role not in roles:
            raise RoleNeeded(f"{claim.user_id} is no {claim.role}", user_id=claim.user_id, role=claim.role)
        return Principal(user_id=claim.user_id, roles=roles, expires_at=found.expires_at)

    async def close(self, ref: SessionRef) -> Closed:
        """Close the session; one that is closed stays as it is.

        Raises:
            UnknownSession: as the contract says.
        """
        named = _sessions.c.session == ref.session
        async with self._database.transaction() as connection:
            still_open = update(_sessions).where(named & _sessions.c.closed_at.is_(None))
            await connection.execute(still_open.values(closed_at=self._now()))
            closed_at = (await connection.execute(select(_sessions.c.closed_at).where(named))).scalar_one_or_none()
        if closed_at is None:
            raise UnknownSession(f"there is no session {ref.session}", session=ref.session)
        return Closed(session=ref.session, closed_at=closed_at)

    async def enrol(self, user_id: str, roles: Collection[str], *, disabled: str | None = None) -> None:
        """Let somebody sign in, with these roles, or replace what is known of them; `disabled` is why they may not."""
        async with self._database.transaction() as connection:
            await self._database.put(connection, _principals, {"user_id": user_id, "disabled": disabled})
            await connection.execute(delete(_roles).where(_roles.c.user_id == user_id))
            for role in sorted(set(roles)):
                await connection.execute(insert(_roles).values(user_id=user_id, role=role))

    async def keep_open(self, session: Session) -> None:
        """Open this very session, or open it again."""
        async with self._database.transaction() as connection:
            await self._database.put(connection, _sessions, {**session.model_dump(), "closed_at": None})


async def _admitted(connection: AsyncConnection, user_id: str) -> None:
    found = (await connection.execute(select(_principals).where(_principals.c.user_id == user_id))).one_or_none()
    if found is None:
        raise UnknownPrincipal(f"nobody called {user_id} may sign in", user_id=user_id)
    if found.disabled is not None:
        raise UnknownPrincipal(f"{user_id} may not sign in: {found.disabled}", user_id=user_id, reason=found.disabled)
