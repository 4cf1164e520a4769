"""Recommendation: what others bought together with it."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from mesh_agents.analytics import EventId
from mesh_agents.inventory import Sku
from mesh_agents.once import check_once
from sagamesh import Agent, Message, Retry, seconds
from sagamesh.degraded import Degradable
from sagamesh.fallback import Default

MOST_SKUS = 100


class Bought(Message):
    """What was bought together, and the event of analytics that says so: each is learned once, whoever tells it."""

    event: EventId
    skus: Annotated[tuple[Sku, ...], Field(min_length=1, max_length=MOST_SKUS)]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_once("skus[{}]", self.skus)
        return self


class Learned(Message):
    """Out of how many purchases it is known, now, what goes together."""

    purchases: int


class Context(Message):
    """What somebody looks at or has bought; nothing for what most people buy."""

    skus: Annotated[tuple[Sku, ...], Field(max_length=MOST_SKUS)] = ()
    limit: Annotated[int, Field(ge=1, le=50)] = 5


class Suggestion(Message):
    """A product that goes with the context. `score`: 0 for never bought together, 1 for never bought apart."""

    sku: Sku
    score: float


class Suggestions(Degradable):
    """What else they might want, the best first; none of the context."""

    suggestions: tuple[Suggestion, ...] = ()


recommendation = Agent(
    "recommendation", depends_on=["catalog", "analytics"], summary="What others bought together with it"
)
learn = recommendation.capability(
    "learn",
    takes=Bought,
    returns=Learned,
    timeout=seconds(5),
    queue_timeout=seconds(10),
    retry=Retry(attempts=3, most=seconds(5)),
    inline=True,
    summary="Remember what goes together",
)
suggest = recommendation.capability(
    "suggest",
    takes=Context,
    returns=Suggestions,
    timeout=seconds(3),
    queue_timeout=seconds(2),
    retry=Retry(attempts=2),
    fallback=Default(Suggestions()),
    inline=True,
    summary="What else might they want?",
)
