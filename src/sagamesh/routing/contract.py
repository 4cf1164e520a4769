"""The tasks of routing, as their callers see them: anyone who can start a task can have a call routed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from sagamesh.failure import Failure
from sagamesh.message import Message
from sagamesh.routing.bid import Scored, Weights
from sagamesh.routing.decision import Decision
from sagamesh.routing.need import Need, Requirements
from sagamesh.task import Task

__all__ = [
    "CentralRequest",
    "CentralResult",
    "NegotiatedRequest",
    "NegotiatedResult",
    "Replaced",
    "central",
    "negotiated",
]

_HOUR, _DAY = 3600, 24 * 3600


class _Request(Message):
    """One call.

    - `capability`: `<agent>.<capability>`, or the short name alone for whichever agent has it.
    - `input`: the JSON object that the capability takes; checked against its model before anything happens.
    - `need`: what whoever serves it must be like.
    - `start_seconds`: how long whoever was chosen may take to begin, before the next one is asked; a central call
      doubles it from round to round.
    """

    capability: Annotated[str, Field(min_length=1, max_length=100)]
    input: dict[str, JsonValue]
    need: Requirements = Requirements()
    start_seconds: Annotated[float, Field(gt=0, le=_HOUR)] = 10.0

    @property
    def whole_need(self) -> Need:
        """Capability and requirements together."""
        return Need(capability=self.capability, **dict(self.need))


class CentralRequest(_Request):
    """A call that goes to the least loaded of those who would do.

    - `wait_seconds`: how long to wait in line while nobody alive has room, or nobody begins the call. An agent has room
      while at most `need.most_waiting` calls wait for each of its workers; 5 unless that says otherwise.
    """

    wait_seconds: Annotated[float, Field(ge=0, le=30 * _DAY)] = _HOUR

    @property
    def whole_need(self) -> Need:
        """Capability and requirements together, with a bound on the calls that wait."""
        need = super().whole_need
        return need if need.most_waiting is not None else need.model_copy(update={"most_waiting": _ROOM})


_ROOM = 5


class CentralResult(Message):
    """What came of a central call: who served it, its answer, and the decision with its figures."""

    agent: str
    queue: str
    result: dict[str, JsonValue]
    decision: Decision


class NegotiatedRequest(_Request):
    """A call that goes to the best bid.

    - `weights`: how load, latency and cost count.
    - `bid_seconds`: how long a candidate may take to answer the offer.
    - `wait_seconds`: how long to make offers again while nobody would do, or nobody bids.
    - `undo`: the short name of the capability that undoes the call, with the same input. With it, a call whose worker
      died is undone there, and the next bidder gets it meanwhile; without it, a call that may have begun stays where it
      is until that agent is back.
    """

    weights: Weights = Weights()
    bid_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    wait_seconds: Annotated[float, Field(ge=0, le=_DAY)] = 0.0
    undo: Annotated[str, Field(max_length=100)] = ""


class Replaced(Message):
    """A bidder that had the award and lost it. `undone`: the call may have begun there, and was undone."""

    queue: str
    failure: Failure
    undone: bool


class NegotiatedResult(Message):
    """What came of a negotiated call.

    - `bids`: by score, the best first. `told`: the queues of those that were told that another had won.
    - `replaced`: bidders before the one that served it, in the order of their awards.
    """

    agent: str
    queue: str
    result: dict[str, JsonValue]
    decision: Decision
    bids: tuple[Scored, ...]
    told: tuple[str, ...] = ()
    replaced: tuple[Replaced, ...] = ()


central = Task(
    "Central",
    takes=CentralRequest,
    returns=CentralResult,
    queue="routing",
    title=lambda request: f"{request.capability} by whoever has most room",
    summary="One call, by the least loaded agent that would do",
)
negotiated = Task(
    "Negotiated",
    takes=NegotiatedRequest,
    returns=NegotiatedResult,
    queue="routing",
    title=lambda request: f"{request.capability} by whoever bids best",
    summary="One call, offered to all agents that would do, by the best bid",
)
