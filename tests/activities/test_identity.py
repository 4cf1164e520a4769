"""The agent `identity` on a SQLite file and on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mesh_activities.identity import Identity
from mesh_agents.identity import (
    Claim,
    OpenSession,
    RoleNeeded,
    Session,
    SessionEnded,
    SessionRef,
    UnknownPrincipal,
    UnknownSession,
)
from sagamesh import BusinessError
from tests.support.attempts import AsCall

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Doorkeeper:
    """Identity with a clock of the test's own."""

    def __init__(self, identity: Identity, as_call: AsCall) -> None:
        self.identity = identity
        self.as_call = as_call

    async def open(self, task_id: str, user_id: str, minutes: int = 60) -> Session:
        wanted = OpenSession(user_id=user_id, minutes=minutes)
        return await self.as_call(task_id, "identity.open").run(self.identity.open_session, wanted)

    async def refused(self, kind: type[BusinessError], **claim: Any) -> Mapping[str, Any]:
        with pytest.raises(kind) as refused:
            await self.identity.resolve(Claim(**claim))
        return dict(refused.value.details[0])


async def test_a_session_from_opening_to_closing(database_url: str, as_call: AsCall) -> None:
    now = NOON
    async with Identity.open(database_url, now=lambda: now) as identity:
        door = Doorkeeper(identity, as_call)
        await identity.enrol("ada", ["buyer", "admin"])
        await identity.enrol("bob", [])
        session = await door.open("t-1", "ada")
        assert session.expires_at == NOON + timedelta(hours=1)
        assert await door.open("t-1", "ada") == session
        other = await door.open("t-2", "ada")
        assert other.session != session.session

        principal = await identity.resolve(Claim(session=session.session, user_id="ada", role="buyer"))
        assert principal.roles == ("admin", "buyer")
        assert await door.refused(RoleNeeded, session=session.session, user_id="ada", role="editor") == {
            "user_id": "ada",
            "role": "editor",
        }
        assert await door.refused(UnknownSession, session=session.session, user_id="bob") == {
            "session": session.session,
            "user_id": "bob",
        }
        assert await door.refused(UnknownSession, session="none", user_id="ada")

        closed = await identity.close(SessionRef(session=session.session))
        now = NOON + timedelta(minutes=59)
        assert await identity.close(SessionRef(session=session.session)) == closed
        assert (await door.refused(SessionEnded, session=session.session, user_id="ada"))["ended"] == "closed"
        await identity.resolve(Claim(session=other.session, user_id="ada"))
        now = NOON + timedelta(minutes=60)
        assert (await door.refused(SessionEnded, session=other.session, user_id="ada"))["ended"] == "expired"
        with pytest.raises(UnknownSession):
            await identity.close(SessionRef(session="none"))


async def test_who_may_not_sign_in_any_more_has_no_sessions(database_url: str, as_call: AsCall) -> None:
    async with Identity.open(database_url, now=lambda: NOON) as identity:
        door = Doorkeeper(identity, as_call)
        with pytest.raises(UnknownPrincipal) as refused:
            await door.open("t-1", "ada")
        assert refused.value.details == ({"user_id": "ada"},)
        await identity.enrol("ada", ["buyer"])
        session = await door.open("t-1", "ada")  # the refusal has not used up the key
        await identity.enrol("ada", [], disabled="left")
        assert await door.refused(UnknownPrincipal, session=session.session, user_id="ada") == {
            "user_id": "ada",
            "reason": "left",
        }
        with pytest.raises(UnknownPrincipal, match="left"):
            await door.open("t-2", "ada")
