"""What the activity of routing takes and returns, and the names on the wire."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, JsonValue

from sagamesh.message import Message
from sagamesh.routing.decision import Decision
from sagamesh.routing.need import Need
from sagamesh.routing.terms import Terms

__all__ = ["BID", "MATCH", "NO_ROUTE", "ROUTE", "TOLD", "MatchRequest", "Matched", "Offered", "RouteRequest"]

ROUTE: Final = "sagamesh.route"
MATCH: Final = "sagamesh.match"
BID: Final = "sagamesh.bid"
TOLD: Final = "sagamesh.told"
NO_ROUTE: Final = "NoRoute"
"""The type of the error with which routing fails; its detail `decision` is the whole `Decision`."""


class RouteRequest(Message):
    """Decide about a need; `wait_seconds` is how long it may take until somebody would do."""

    need: Need
    wait_seconds: Annotated[float, Field(ge=0)] = 0.0


class MatchRequest(RouteRequest):
    """As `RouteRequest`, for a caller that has the input as JSON only.

    - `undo`: the short name of the capability that undoes the call, with the same input; empty for none.
    - `passed_over`: queues whose worker did not begin a call just now. The server takes it for alive for a while, so
      the others are tried first; where nothing may be waited for, only the others are.
    """

    input: dict[str, JsonValue]
    undo: str = ""
    passed_over: tuple[str, ...] = ()


class Offered(Message):
    """How one candidate is called, and how that is undone."""

    call: Terms
    undo: Terms | None = None


class Matched(Message):
    """A decision, and for each of its ranked candidates, in that order, how it is called."""

    decision: Decision
    offered: tuple[Offered, ...]
