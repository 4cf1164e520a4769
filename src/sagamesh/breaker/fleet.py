"""What the keeper of one queue's breakers decides. Pure: reports, orders and the time go in, a hold comes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from pydantic import Field

from sagamesh.breaker.notice import Notice, written
from sagamesh.message import Message

__all__ = [
    "Action",
    "Breakers",
    "Event",
    "Hold",
    "Kept",
    "Order",
    "Phase",
    "Report",
    "keeper_id",
    "needed_hold",
    "next_change",
    "obeyed",
    "passed",
    "reported",
]

_BETWEEN_PROBES: Final = 1.0
"""Seconds between probes that follow a successful one, where a breaker asks for several."""

_LONGEST_TEXT: Final = 300

_REMEMBERED: Final = 30
"""Orders whose ids are kept, for those who wait to hear that theirs was taken."""


class Phase(StrEnum):
    """Where a breaker is for the whole fleet. `forced`: an operator opened it, and it stays so until one closes it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    FORCED = "forced open"


class Event(StrEnum):
    """What a worker has to say. `overdue`: the queue is held for longer than it should be, as if nobody kept it."""

    TRIPPED = "tripped"
    PROBE_SUCCEEDED = "probe succeeded"
    PROBE_FAILED = "probe failed"
    OVERDUE = "overdue"


Action = Literal["open", "close", "reset"]


class Report(Message):
    """A worker's report of one breaker.

    - `recovery`, `interval`: seconds until the first probe, and from one probe to the next.
    - `probes`: so many must succeed, one after the other.
    - `cause`: the last error. `by`: the worker's identity. `at`: when it happened, by the worker's clock.
    """

    key: str
    event: Event
    recovery: float
    interval: float
    probes: int = 1
    cause: str = Field(default="", max_length=_LONGEST_TEXT)
    by: str = ""
    at: datetime


class Order(Message):
    """An operator's order: `open` until somebody closes it, `close` at once, `reset` lets probes decide.

    - `id`: by which who gave it finds it among those that were taken.
    """

    id: str = ""
    key: str
    action: Action
    by: str
    reason: str
    recovery: float = 60.0
    interval: float = 30.0
    probes: int = 1


class Kept(Message):
    """One breaker, as its keeper knows it. Times are the engine's."""

    key: str
    phase: Phase = Phase.CLOSED
    since: datetime
    until: datetime | None = None
    by: str = ""
    cause: str = ""
    recovery: float = 60.0
    interval: float = 30.0
    probes: int = 1
    succeeded: int = 0
    opened: int = 0


class Hold(Message):
    """How a queue is to be held: calls a second (0 for none at all), and why; a rate of None lets everything pass.

    - `fresh`: the first call waits for a whole interval of the rate.
    """

    queue: str
    rate: float | None = None
    reason: str = Field(default="", max_length=1000)
    fresh: bool = False


class Breakers(Message):
    """All breakers of one queue.

    - `orders`: ids of the last orders that were taken.
    """

    queue: str
    kept: dict[str, Kept] = Field(default_factory=dict)
    orders: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        """Whether nothing is held."""
        return all(one.phase is Phase.CLOSED for one in self.kept.values())


def keeper_id(queue: str) -> str:
    """The workflow id of the one that keeps this queue's breakers."""
    return f"sagamesh.breaker:{queue}"


def reported(state: Breakers, report: Report, now: datetime) -> Breakers:
    """Take note of a worker's report."""
    known = state.kept.get(report.key) or Kept(key=report.key, since=now)
    numbers = {"recovery": report.recovery, "interval": report.interval, "probes": report.probes}
    one = known.model_copy(update=numbers)
    told = {"by": report.by, "cause": report.cause}
    match report.event, one.phase:
        case Event.TRIPPED, Phase.CLOSED:
            one = _opened(one, now, told)
        case Event.PROBE_FAILED, (Phase.OPEN | Phase.HALF_OPEN):
            one = _opened(one, now, told)
        case Event.TRIPPED, Phase.HALF_OPEN if report.at >= one.since:
            one = _opened(one, now, told)
        case Event.PROBE_SUCCEEDED, (Phase.OPEN | Phase.HALF_OPEN):
            one = _succeeded(one, now, report.by)
        case Event.OVERDUE, Phase.CLOSED if report.key not in state.kept:
            # Whoever kept it has gone: held it is, for how long nobody knows, so let a probe through.
            one = _half_open(one, now, told)
    return _with(state, one)


def obeyed(state: Breakers, order: Order, now: datetime) -> Breakers:
    """Do as an operator says."""
    if order.id:
        state = state.model_copy(update={"orders": (*state.orders, order.id)[-_REMEMBERED:]})
    known = state.kept.get(order.key)
    if known is None:
        numbers = {"recovery": order.recovery, "interval": order.interval, "probes": order.probes}
        known = Kept(key=order.key, since=now, **numbers)
    told = {"by": order.by, "cause": order.reason}
    match order.action:
        case "open":
            return _with(state, known.model_copy(update={"phase": Phase.FORCED, "since": now, "until": None, **told}))
        case "close":
            return _with(state, _closed(known, now, told))
        case "reset":
            return state if known.phase is Phase.CLOSED else _with(state, _half_open(known, now, told))


def passed(state: Breakers, now: datetime) -> Breakers:
    """Let time pass: what has been open for its recovery becomes half-open."""
    for one in state.kept.values():
        if one.phase is Phase.OPEN and one.until is not None and now >= one.until:
            state = _with(state, _half_open(one, now, {}))
    return state


def next_change(state: Breakers) -> datetime | None:
    """When `passed` will change something next; None for never."""
    return min((one.until for one in state.kept.values() if one.until is not None), default=None)


def needed_hold(state: Breakers) -> Hold:
    """How the queue must be held now: as its most careful breaker asks.

    Also an open one lets a call through once a recovery, the first when that is over. So a queue cannot stay held for
    ever, whatever becomes of its keeper: that call succeeds, and is reported.
    """
    holding = [one for one in state.kept.values() if one.phase is not Phase.CLOSED]
    if not holding:
        closed = sorted(state.kept)
        return Hold(queue=state.queue, reason=f"closed: {', '.join(closed)}"[:200] if closed else "")
    notices = [Notice(one.key, one.phase.value, one.since, one.until, one.by, one.cause) for one in holding]
    return Hold(
        queue=state.queue,
        rate=min(_rate(one) for one in holding),
        reason=written(notices),
        fresh=any(one.phase is Phase.OPEN for one in holding),
    )


def _rate(one: Kept) -> float:
    if one.phase is Phase.FORCED:
        return 0.0
    if one.phase is Phase.OPEN:
        return 1 / one.recovery
    return 1 / (min(_BETWEEN_PROBES, one.interval) if one.succeeded else one.interval)


def _opened(one: Kept, now: datetime, told: dict[str, str]) -> Kept:
    until = now + timedelta(seconds=one.recovery)
    changed = {"phase": Phase.OPEN, "since": now, "until": until, "succeeded": 0, "opened": one.opened + 1, **told}
    return one.model_copy(update=changed)


def _half_open(one: Kept, now: datetime, told: dict[str, str]) -> Kept:
    return one.model_copy(update={"phase": Phase.HALF_OPEN, "since": now, "until": None, "succeeded": 0, **told})


def _closed(one: Kept, now: datetime, told: dict[str, str]) -> Kept:
    return one.model_copy(update={"phase": Phase.CLOSED, "since": now, "until": None, "succeeded": 0, **told})


def _succeeded(one: Kept, now: datetime, by: str) -> Kept:
    if one.succeeded + 1 >= one.probes:
        return _closed(one, now, {"by": by, "cause": "a probe succeeded"})
    waiting = one if one.phase is Phase.HALF_OPEN else _half_open(one, now, {})
    return waiting.model_copy(update={"succeeded": one.succeeded + 1})


def _with(state: Breakers, one: Kept) -> Breakers:
    return state.model_copy(update={"kept": {**state.kept, one.key: one}})
