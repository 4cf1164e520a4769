"""The single writer of one queue's breakers: a workflow that holds the queue while any of them is open."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy

from sagamesh.breaker.fleet import (
    Breakers,
    Hold,
    Order,
    Report,
    needed_hold,
    next_change,
    obeyed,
    passed,
    reported,
)
from sagamesh.breaker.gate import HOLD, LOST, Former, Held, HoldRequest
from sagamesh.message import Message

__all__ = ["KEEPER", "MEMO", "BreakerKeeper", "Keeping"]

KEEPER: Final = "sagamesh.Breaker"

MEMO: Final = "breakers"
"""The memo in which a keeper leaves what it knows, for whoever asks while nobody hosts it, and after its end."""

_OFTEN: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5))

_LOOKS: Final = RetryPolicy(initial_interval=timedelta(seconds=5), backoff_coefficient=1)
"""How often the queue is looked at while it is held. The server counts the time: looks add nothing to the history."""


class Keeping(Message):
    """What a keeper goes on with.

    - `hold`: how it holds the queue; `stands`: the server does so.
    - `former`: the rate that the queue had before.
    """

    breakers: Breakers
    hold: Hold | None = None
    stands: bool = False
    former: Former | None = None


@workflow.defn(name=KEEPER)
class BreakerKeeper:
    """Keeps the breakers of one queue: it begins with the first report, and ends when all are closed again.

    It is durable: when the process that hosts it dies, the next one goes on where it was.
    """

    @workflow.init
    def __init__(self, begin: Keeping) -> None:
        self._keeping = begin
        self._news: list[Report | Order] = []
        self._told: Breakers | None = None
        self._looking: workflow.ActivityHandle[None] | None = None

    @workflow.run
    async def run(self, begin: Keeping) -> Breakers:
        """Keep them until all are closed."""
        del begin  # taken by __init__, so that signals which come with the start find it
        while True:
            self._take_news()
            await self._hold()
            state = self._keeping.breakers
            if state.idle and not self._news:
                return state
            if workflow.info().is_continue_as_new_suggested():
                # Also while news come faster than the queue is changed: a history has an end. They go along.
                self._take_news()
                workflow.continue_as_new(self._keeping)
            if self._news:
                continue
            due = next_change(state)
            wait = None if due is None else max(due - workflow.now(), timedelta(0))
            try:
                await workflow.wait_condition(
                    lambda: bool(self._news) or self._lost, timeout=wait, timeout_summary="recovery"
                )
            except TimeoutError:
                continue

    @workflow.signal
    def report(self, report: Report) -> None:
        """A worker tells what it saw."""
        self._news.append(report)

    @workflow.signal
    def order(self, order: Order) -> None:
        """An operator decides."""
        self._news.append(order)

    def _take_news(self) -> None:
        now = workflow.now()
        state = self._keeping.breakers
        for news in self._news:
            state = reported(state, news, now) if isinstance(news, Report) else obeyed(state, news, now)
        self._news.clear()
        self._keeping = self._keeping.model_copy(update={"breakers": passed(state, now)})

    @property
    def _lost(self) -> bool:
        """Whether somebody has changed the rate of the queue that is held."""
        return self._keeping.stands and self._looking is not None and self._looking.done()

    async def _hold(self) -> None:
        needed = needed_hold(self._keeping.breakers)
        state = self._keeping.breakers
        if needed == self._keeping.hold and not self._lost:
            self._tell(state)
            self._look()
            return
        # Before the queue changes, so that who sees the change also finds who brought it about. An order is among those
        # that were carried out only afterwards.
        self._tell(state.model_copy(update={"orders": self._told.orders if self._told is not None else ()}))
        first = self._keeping.hold is None
        if not (first and needed.rate is None and not needed.reason):
            held = await workflow.execute_activity(
                HOLD,
                HoldRequest(hold=needed, former=self._keeping.former),
                result_type=Held,
                start_to_close_timeout=timedelta(seconds=5),
                retry_policy=_OFTEN,
                summary=needed.reason[:200] or "let go",
            )
            self._keeping = self._keeping.model_copy(update={"former": held.former, "stands": held.stands})
        self._keeping = self._keeping.model_copy(update={"hold": needed})
        self._tell(state)
        self._look()

    def _tell(self, state: Breakers) -> None:
        if state != self._told:
            self._told = state
            workflow.upsert_memo({MEMO: state.model_dump(mode="json")})

    def _look(self) -> None:
        """See to it that somebody looks whether the queue stays held."""
        if self._keeping.stands and (self._looking is None or self._looking.done()):
            self._looking = workflow.start_activity(
                LOST,
                self._keeping.breakers.queue,
                result_type=type(None),
                start_to_close_timeout=timedelta(seconds=5),
                retry_policy=_LOOKS,
                summary="looks whether it stays held",
            )
