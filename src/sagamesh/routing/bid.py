"""Offers, bids, and who wins. No clock, no connection, no chance."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from sagamesh.failure import FieldError
from sagamesh.message import Message

__all__ = ["Bid", "Offer", "Scored", "Told", "Weights", "choose"]

Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class Weights(Message):
    """How much load, latency and cost count against a bid; 0 for not at all, but not for all three."""

    load: Weight = 1.0
    latency: Weight = 1.0
    cost: Weight = 1.0

    @model_validator(mode="after")
    def _weighs(self) -> Self:
        if not (self.load or self.latency or self.cost):
            raise FieldError("load", "one of the weights must be more than 0")
        return self


class Offer(Message):
    """What a candidate is asked: would it serve this call of this task, and how its bid will be weighed."""

    task: str
    capability: str
    weights: Weights


class Bid(Message):
    """What a candidate answers, for the one process of it that took the offer.

    - `in_use`, `slots`: calls that it serves now, and at most at a time. `offers`: calls that it has bid for and heard
      nothing of yet; they count like calls.
    - `latency_ms`: how long its last calls of this capability took on average; None when it has served none.
    - `cost`: of one call, as its contract says.
    """

    queue: str
    worker: str
    in_use: Annotated[int, Field(ge=0)]
    slots: Annotated[int, Field(ge=1)]
    offers: Annotated[int, Field(ge=0)] = 0
    latency_ms: Annotated[float, Field(ge=0)] | None = None
    cost: Annotated[float, Field(ge=0)] = 0.0

    @property
    def load(self) -> float:
        """The share of its slots that is taken, or may be soon."""
        return (self.in_use + self.offers) / self.slots


class Scored(Message):
    """A bid and what counts against it: the lowest score wins."""

    bid: Bid
    score: float


class Told(Message):
    """What a bidder is told when another has won."""

    task: str
    capability: str
    winner: str
    score: float
    winning_score: float


def choose(bids: Sequence[Bid], weights: Weights, *, salt: str = "") -> tuple[Scored, ...]:
    """The bids by score, the winner first.

    Load counts as it is; latency and cost as shares of the highest among these bids. Who has not served a call yet is
    taken at the best latency that is known, so that newcomers get work. Equals are told apart by a digest of `salt`
    and queue.
    """
    known = [bid.latency_ms for bid in bids if bid.latency_ms is not None]
    slowest, fastest = max(known, default=0.0), min(known, default=0.0)
    dearest = max((bid.cost for bid in bids), default=0.0)

    def score(bid: Bid) -> float:
        latency = fastest if bid.latency_ms is None else bid.latency_ms
        counted = weights.load * bid.load
        if slowest:
            counted += weights.latency * latency / slowest
        if dearest:
            counted += weights.cost * bid.cost / dearest
        return round(counted, 6)

    scored = [Scored(bid=bid, score=score(bid)) for bid in bids]
    return tuple(sorted(scored, key=lambda each: (each.score, _digest(salt, each.bid.queue), each.bid.queue)))


def _digest(salt: str, queue: str) -> str:
    return hashlib.sha256(f"{salt}\0{queue}".encode()).hexdigest() if salt else ""
