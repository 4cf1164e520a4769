"""Analytics: what happened, counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from mesh_agents.money import Currency, Money
from mesh_agents.records import Filed
from sagamesh import Agent, Message, Retry, seconds
from sagamesh.failure import FieldError

EventKind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]*$", max_length=64)]
EventId = Annotated[str, Field(min_length=1, max_length=300)]


class Event(Message):
    """Something that happened.

    - `subject`: to whom or what, an opaque id: no names, no addresses.
    - `amount`: what it brought, where it brought something.
    - `record`: where the whole of it is kept.
    """

    kind: EventKind
    subject: Annotated[str, Field(min_length=1, max_length=256)]
    at: AwareDatetime
    record: Filed
    amount: Money | None = None


class Recorded(Message):
    """The event that was counted, once for each record, however often it is told."""

    event: EventId


class Period(Message):
    """From `since` until just before `until`; all kinds of events, or one."""

    since: AwareDatetime
    until: AwareDatetime
    kind: EventKind | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until <= self.since:
            raise FieldError("until", "must be later than since")
        return self


class Turnover(Message):
    """What events brought in one currency."""

    amount: Decimal
    currency: Currency


class KindFigures(Message):
    """The events of one kind: how many, of how many different subjects, and what they brought, by currency."""

    kind: EventKind
    events: int
    subjects: int
    turnover: tuple[Turnover, ...]


class Summary(Message):
    """The figures of a period, by kind."""

    kinds: tuple[KindFigures, ...]


analytics = Agent("analytics", depends_on=["records"], summary="What happened, counted")
# Nobody waits for figures: what cannot be counted now is reported as not counted.
record = analytics.capability(
    "record",
    takes=Event,
    returns=Recorded,
    timeout=seconds(5),
    queue_timeout=seconds(10),
    retry=Retry(attempts=3, most=seconds(5)),
    inline=True,
    summary="Count it",
)
summary = analytics.capability(
    "summary", takes=Period, returns=Summary, timeout=seconds(30), inline=True, summary="What happened?"
)
