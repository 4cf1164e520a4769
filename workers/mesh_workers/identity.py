"""The pool of the agent `identity`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh_activities.identity import Identity
from mesh_agents.identity import close, identity, open_session, resolve
from mesh_workers import dependencies, seed
from mesh_workers.settings import IdentitySettings
from sagamesh import Pool
from sagamesh.settings import read_settings


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    """Serves `identity` from the database that SAGAMESH_IDENTITY_DATABASE names."""
    settings = read_settings(IdentitySettings)
    async with (
        Identity.open(settings.database) as doorkeeper,
        dependencies.database(settings.database) as answers,
    ):
        if settings.seed == "demo":
            for user, blocked in seed.USERS:
                await doorkeeper.enrol(user.user_id, seed.ROLES, disabled=blocked)
            for session in seed.SESSIONS:
                await doorkeeper.keep_open(session)
        yield (
            Pool(identity, checks={"database": answers})
            .serve(open_session, doorkeeper.open_session)
            .serve(resolve, doorkeeper.resolve)
            .serve(close, doorkeeper.close)
        )
