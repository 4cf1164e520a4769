"""Who could serve a call, how loaded they are, and why one is refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sagamesh.message import Message

__all__ = ["Candidate", "Figures", "Reason", "Refusal"]


class Candidate(Message):
    """One agent in one zone that declares the capability.

    - `capability`: `<agent>.<capability>`; `queue`: where its calls are put.
    - `zone`: empty for an agent in no zone.
    - `scopes`: what the capability demands of its callers.
    - `cost`: of one call, as the agent's contract says.
    """

    capability: str
    agent: str
    queue: str
    zone: str = ""
    version: str = "1.0.0"
    tags: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    cost: float = 0.0


class Figures(Message):
    """How a queue stood when the decision was made, by the server's own statistics (up to five seconds old).

    - `workers`: processes that asked for work within the last minute; `last_seen_seconds`: since the last of them did,
      None for never.
    - `backlog`: calls that wait; `oldest_seconds`: for how long the first of them.
    - `dispatched`: calls handed out a second.
    - `held`: the queue is closed to new calls, by an open breaker or a rate of 0.
    - `probe_seconds`: from one probe to the next while a breaker of the queue is half-open; 0 while none is.
    """

    workers: int = 0
    last_seen_seconds: float | None = None
    backlog: int = 0
    oldest_seconds: float = 0.0
    dispatched: float = 0.0
    held: bool = False
    probe_seconds: float = 0.0

    @property
    def waiting(self) -> float:
        """Calls that wait for each worker."""
        return self.backlog / max(self.workers, 1)


class Reason(StrEnum):
    """Why a candidate is refused. The last five may pass by themselves; the others last until somebody deploys."""

    MISSING_TAG = "MissingTag"
    EXCLUDED_TAG = "ExcludedTag"
    WRONG_VERSION = "WrongVersion"
    WRONG_ZONE = "WrongZone"
    NOT_ALLOWED = "NotAllowed"
    WRONG_INPUT = "WrongInput"
    NOBODY_ALIVE = "NobodyAlive"
    HELD = "Held"
    BUSY = "Busy"
    NO_BID = "NoBid"
    NO_ANSWER = "NoAnswer"

    @property
    def passing(self) -> bool:
        """Whether waiting may help."""
        return self in _PASSING


_PASSING = frozenset({Reason.NOBODY_ALIVE, Reason.HELD, Reason.BUSY, Reason.NO_BID, Reason.NO_ANSWER})


class Refusal(Message):
    """One reason against one candidate, for programs and, as a sentence, for people."""

    reason: Reason
    why: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.why}"

    def __repr_args__(self) -> Any:  # pydantic's short form in test reports
        return [(None, str(self))]
