"""How an agent's pool answers offers: by what this process does right now."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sagamesh.routing.bid import Bid, Offer, Told
from sagamesh.routing.request import BID, TOLD

__all__ = ["Bidder"]

_log = logging.getLogger(__name__)

_REMEMBERED: Final = 50
"""Calls of a capability over which the latency is averaged."""
_OFFER_STANDS: Final = 10.0
"""Seconds after which a bid counts no more, if nothing was heard: another process of the pool may have been told."""


class Bidder(Interceptor):
    """Counts and times the calls of one agent in one process, and bids by that.

    - `in_use`: calls that it serves now. `by_queue`: the same, by the queue that they came on.
    - `cost`: what the contract says of one call. `slots`: calls at a time in this process. `identity`: the process, as
      the server knows it.
    """

    def __init__(
        self,
        agent: str,
        cost: float,
        slots: Callable[[], int],
        identity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.prefix = f"{agent}."
        self._cost = cost
        self._identity = identity
        self._slots = slots
        self._clock = clock
        self.in_use = 0
        self.by_queue: Counter[str] = Counter()
        self._took: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._offers: dict[tuple[str, str], float] = {}

    def latency(self, capability: str) -> float | None:
        """The mean of the last answered calls of a capability, in milliseconds; None when there was none."""
        took = self._took.get(capability)
        return round(1000 * sum(took) / len(took), 2) if took else None

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """For the worker of the pool, beside the agent's capabilities."""
        return [self.bid, self.told]

    @activity.defn(name=BID)
    async def bid(self, offer: Offer) -> Bid:
        """Say at which load, latency and cost this process would serve a call."""
        info = activity.info()
        now = self._clock()
        self._offers = {key: until for key, until in self._offers.items() if until > now}
        made = Bid(
            queue=info.task_queue,
            worker=self._identity,
            in_use=self.in_use,
            slots=self._slots(),
            offers=len(self._offers),
            latency_ms=self.latency(offer.capability),
            cost=self._cost,
        )
        self._offers[(offer.task, offer.capability)] = now + _OFFER_STANDS
        return made

    @activity.defn(name=TOLD)
    async def told(self, news: Told) -> None:
        """Hear that another has won: the slot that the bid meant is free again."""
        self._offers.pop((news.task, news.capability), None)
        _log.debug("%s of %s goes to %s", news.capability, news.task, news.winner)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Part of the SDK's interface."""
        return _Timed(next, self)

    @contextmanager
    def call(self, task: str, capability: str, queue: str) -> Iterator[None]:
        """Count and time a call of this process while the block runs; only calls that are answered are averaged."""
        self._offers.pop((task, capability), None)
        self.in_use += 1
        self.by_queue[queue] += 1
        began = self._clock()
        try:
            yield
            self._took[capability].append(self._clock() - began)
        finally:
            self.in_use -= 1
            self.by_queue[queue] -= 1


class _Timed(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, bidder: Bidder) -> None:
        super().__init__(next)
        self._bidder = bidder

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if not info.activity_type.startswith(self._bidder.prefix):
            # An offer, or a call of another agent that inline hosting has in the same process.
            return await super().execute_activity(input)
        with self._bidder.call(info.workflow_id or "", info.activity_type, info.task_queue):
            return await super().execute_activity(input)
