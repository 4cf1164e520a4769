"""Identity: whose session it is, and what they may do.

A session's id only refers to it, as a user's id does: it is no credential, and may stand in a history. Whoever lets
people sign in (a gateway) checks their password or token there, and names the session to the task that it starts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from mesh_agents.accounts import UserId
from sagamesh import Agent, BusinessError, Message, seconds

SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]


class OpenSession(Message):
    """For whom to open a session, and for how many minutes (at most 30 days)."""

    user_id: UserId
    minutes: Annotated[int, Field(ge=1, le=30 * 24 * 60)] = 8 * 60


class Session(Message):
    """A session, open until it is closed or `expires_at` has passed."""

    session: SessionId
    user_id: UserId
    expires_at: datetime


class Claim(Message):
    """Says that this session is this user's, and, where a role is named, that they have it."""

    session: SessionId
    user_id: UserId
    role: Role | None = None


class Principal(Message):
    """The user of an open session."""

    user_id: UserId
    roles: tuple[Role, ...]
    expires_at: datetime


class SessionRef(Message):
    """The session to close."""

    session: SessionId


class Closed(Message):
    """The session that is closed, since when."""

    session: SessionId
    closed_at: datetime


class UnknownPrincipal(BusinessError):
    """Nobody with this id may sign in. Details: `user_id`, `reason` (of those who no longer may)."""


class UnknownSession(BusinessError):
    """The user has no such session; others may. Details: `session`, `user_id` (unless it was to be closed)."""


class SessionEnded(BusinessError):
    """The session is over. Details: `session`, `ended` (`closed` or `expired`)."""


class RoleNeeded(BusinessError):
    """The user lacks the role. Details: `user_id`, `role`."""


identity = Agent("identity", depends_on=["accounts"], summary="Whose session it is")
open_session = identity.capability(
    "open", takes=OpenSession, returns=Session, timeout=seconds(10), inline=True, summary="Open a session"
)
resolve = identity.capability(
    "resolve", takes=Claim, returns=Principal, timeout=seconds(10), inline=True, summary="Whose session is it?"
)
close = identity.capability(
    "close", takes=SessionRef, returns=Closed, timeout=seconds(10), inline=True, summary="Close the session"
)
