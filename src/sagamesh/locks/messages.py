"""What tasks and locks tell each other, and the names on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from sagamesh.message import Message

__all__ = [
    "GRANTED",
    "LEAVE",
    "LOCK",
    "LONGEST_NAME",
    "RENEW",
    "REQUEST",
    "STATUS",
    "Grant",
    "Holder",
    "LockRequest",
    "LockStatus",
    "Waiter",
    "lock_id",
]

LOCK: Final = "sagamesh.Lock"
"""The workflow type of a lock."""

REQUEST: Final = "sagamesh.lock.request"
"""The activity by which a task asks for a lock, and the signal that it sends on."""

LEAVE: Final = "leave"
"""The signal by which a task gives a lock back, or no longer waits for it; its argument is the request."""

RENEW: Final = "renew"
"""The signal by which a holder asks for its lease to begin again; its argument is the request."""

STATUS: Final = "status"
"""The query that is answered with `LockStatus`."""

GRANTED: Final = "sagamesh_granted"
"""The signal by which a lock answers a task."""

LONGEST_NAME: Final = 150
"""Characters in the name of a lock."""


def lock_id(name: str) -> str:
    """The workflow id of a lock."""
    return f"sagamesh.lock:{name}"


class LockRequest(Message):
    """What a task asks for. `lease_seconds`: how long it may hold the lock without a sign of life."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    lease_seconds: Annotated[float, Field(gt=0)]


class Waiter(Message):
    """Somebody who wants the lock. `request` names this one wish; the task may have others."""

    request: str
    task_id: str
    lease_seconds: float
    since: datetime


class Holder(Message):
    """Who has the lock. `fence` is larger than that of every holder before; the lease ends at `until`."""

    request: str
    task_id: str
    lease_seconds: float
    fence: int
    until: datetime


class Grant(Message):
    """A lock's answer to a task: the request has the lock until then. Without `until` it has not, or no longer."""

    lock: str
    request: str
    fence: int = 0
    until: datetime | None = None


class LockStatus(Message):
    """How a lock stands: who holds it, who waits in which order, and the last fence that was given out."""

    name: str
    fence: int = 0
    holder: Holder | None = None
    waiting: tuple[Waiter, ...] = ()
