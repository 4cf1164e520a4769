"""The task `Negotiated`: one call, offered to all agents that would do, by the best bid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from sagamesh.compensation import compensate
from sagamesh.failure import failure_of
from sagamesh.naming import step_name
from sagamesh.routing.award import award, lost, never_started, stay
from sagamesh.routing.bid import Bid, Offer, Scored, Told, choose
from sagamesh.routing.candidate import Candidate, Reason, Refusal
from sagamesh.routing.contract import NegotiatedRequest, NegotiatedResult, Replaced, negotiated
from sagamesh.routing.decision import Decision
from sagamesh.routing.request import BID, NO_ROUTE, TOLD, Matched, MatchRequest, Offered
from sagamesh.routing.route import match
from sagamesh.routing.terms import Json
from sagamesh.routing.undo import UndoByName
from sagamesh.saga import uninterrupted
from sagamesh.status import Stage
from sagamesh.steering import TaskWorkflow

__all__ = ["Negotiated"]

_ANSWER: Final = timedelta(seconds=5)
_ONCE: Final = RetryPolicy(maximum_attempts=1)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


@workflow.defn(name=negotiated.name)
class Negotiated(TaskWorkflow):
    """Offers the call to all who would do, gives it to the best bid, and tells the others.

    What happens when the winner dies after the award:

    - Nobody began the call in time: it certainly had no effect. The next best bidder gets it.
    - An attempt may have begun, and the request names an `undo`: the undo is put on the dead bidder's queue under the
      key of the call, and the next best gets the call meanwhile, under a key of its own. The undo is served when that
      agent is back, and leaves its mark there for an attempt that comes even later. The task ends only when that has
      happened, or an operator has decided about an undo that failed: a result while something stands twice would be a
      lie.
    - An attempt may have begun, and there is no `undo`: the call stays on that queue under its key until somebody takes
      it. Two agents share no books, so another might do it a second time.

    An answer, also a refusal, is no death: it ends the task.
    """

    task = negotiated

    def __init__(self) -> None:
        self._replaced: list[Replaced] = []
        self._undoing: list[asyncio.Task[None]] = []
        self._one_undo = asyncio.Lock()

    @workflow.run
    async def run(self, request: NegotiatedRequest) -> NegotiatedResult:
        """Negotiate, and answer with the result and all bids.

        Raises:
            ApplicationError: `NoRoute`, `UnknownName`, `InvalidInput`, or what the agent failed with.
        """
        try:
            result = await self._served(request)
        except (FailureError, asyncio.CancelledError):
            await uninterrupted(self._undone())
            raise
        await uninterrupted(self._undone())
        return result

    async def _served(self, request: NegotiatedRequest) -> NegotiatedResult:
        until = workflow.now() + timedelta(seconds=request.wait_seconds)
        pause = _FIRST_PAUSE
        while True:
            matched = await match(
                MatchRequest(
                    need=request.whole_need,
                    wait_seconds=max((until - workflow.now()).total_seconds(), 0.0),
                    input=request.input,
                    undo=request.undo,
                )
            )
            bids = await self._bids(request, matched)
            scored = choose(bids, request.weights, salt=workflow.info().workflow_id)
            telling = asyncio.create_task(self._tell(matched, scored))
            try:
                served = await self._awarded(request, matched, scored)
            except (FailureError, asyncio.CancelledError):
                telling.cancel()
                raise
            if served is not None:
                winner, answer = served
                # Whoever cancels now comes too late: the call is done.
                told = await uninterrupted(telling)
                return NegotiatedResult(
                    agent=winner.agent,
                    queue=winner.queue,
                    result=answer.root,
                    decision=matched.decision,
                    bids=scored,
                    told=told,
                    replaced=tuple(self._replaced),
                )
            await telling
            left = (until - workflow.now()).total_seconds()
            if left <= 0:
                raise _nobody(matched.decision, bids, request)
            await workflow.sleep(min(pause, left), summary="offer it again")
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _bids(self, request: NegotiatedRequest, matched: Matched) -> list[Bid]:
        """The bids that came in time. Who is too busy to look at an offer would be too busy for the call."""

        async def one(candidate: Candidate) -> Bid | None:
            try:
                bid: Bid = await workflow.execute_activity(
                    BID,
                    Offer(task=workflow.info().workflow_id, capability=candidate.capability, weights=request.weights),
                    result_type=Bid,
                    task_queue=candidate.queue,
                    schedule_to_start_timeout=timedelta(seconds=request.bid_seconds),
                    start_to_close_timeout=_ANSWER,
                    retry_policy=_ONCE,
                    summary=f"Offer to {candidate.queue}",
                )
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                return None
            return bid

        answers = await asyncio.gather(*(one(candidate) for candidate in matched.decision.ranked))
        return [answer for answer in answers if answer is not None]

    async def _tell(self, matched: Matched, scored: Sequence[Scored]) -> tuple[str, ...]:
        """Tell all but the winner; the queues of those that heard it. It helps them, so it is not insisted on."""
        names = {candidate.queue: candidate.capability for candidate in matched.decision.ranked}

        async def one(loser: Scored) -> str | None:
            news = Told(
                task=workflow.info().workflow_id,
                capability=names[loser.bid.queue],
                winner=scored[0].bid.queue,
                score=loser.score,
                winning_score=scored[0].score,
            )
            try:
                await workflow.execute_activity(
                    TOLD,
                    news,
                    task_queue=loser.bid.queue,
                    schedule_to_start_timeout=_ANSWER,
                    start_to_close_timeout=_ANSWER,
                    retry_policy=_ONCE,
                    summary=f"{news.winner} has won",
                )
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                return None
            return loser.bid.queue

        heard = await asyncio.gather(*(one(loser) for loser in scored[1:]))
        return tuple(queue for queue in heard if queue is not None)

    async def _awarded(
        self, request: NegotiatedRequest, matched: Matched, scored: Sequence[Scored]
    ) -> tuple[Candidate, Json] | None:
        """Give the call to one bidder after the other; None when nobody began it."""
        arg = Json(request.input)
        found = zip(matched.decision.ranked, matched.offered, strict=True)
        offered = {candidate.queue: (candidate, terms) for candidate, terms in found}
        probes = {each.candidate.queue: each.figures.probe_seconds for each in matched.decision.considered}
        for each in scored:
            candidate, terms = offered[each.bid.queue]
            step = step_name(candidate.capability, self.board.steps)
            # Where a breaker is half-open, the offer took what it let through: the call is the next probe.
            within = timedelta(seconds=request.start_seconds + probes[candidate.queue])
            if terms.undo is not None:
                self.board.undos[step] = terms.undo.call()
            try:
                answer = await award(self.board, step, terms.call.call(start_within=within), arg)
            except (FailureError, asyncio.CancelledError) as error:
                if never_started(error):
                    self._replace(each, error, undone=False)
                    continue
                undone = self._undo(step, terms, arg)
                if not lost(error):
                    raise
                if undone:
                    self._replace(each, error, undone=True)
                    continue
                answer = await stay(self.board, step, terms.call, arg)
            if workflow.cancellation_reason() is not None and self._undo(step, terms, arg):
                # The call finished in spite of a cancel request, which it thereby swallowed.
                raise asyncio.CancelledError
            return candidate, answer
        return None

    def _replace(self, each: Scored, error: BaseException, *, undone: bool) -> None:
        self._replaced.append(Replaced(queue=each.bid.queue, failure=failure_of(error), undone=undone))

    def _undo(self, step: str, terms: Offered, arg: Json) -> bool:
        """Begin to undo a call, where the request says how; it goes on beside whatever follows."""
        if terms.undo is None:
            return False
        undo = UndoByName(step, terms.undo.call(), arg)

        async def undoing() -> None:
            async with self._one_undo:  # the board puts one undo at a time to an operator
                await compensate([undo], self.board)
                self.board.enter(Stage.RUNNING)

        self._undoing.append(asyncio.create_task(undoing()))
        return True

    async def _undone(self) -> None:
        for undoing in self._undoing:
            await undoing


def _nobody(decision: Decision, bids: Sequence[Bid], request: NegotiatedRequest) -> ApplicationError:
    """The error when offers led to nothing: the decision again, now with a reason against each candidate."""
    bidding = {bid.queue for bid in bids}
    considered = []
    for each in decision.considered:
        if each.rank is None:
            considered.append(each)
            continue
        late = each.candidate.queue in bidding
        seconds = request.start_seconds + each.figures.probe_seconds if late else request.bid_seconds
        why = f"it {'won but did not begin' if late else 'did not answer the offer'} within {seconds:g} s"
        against = Refusal(reason=Reason.NO_ANSWER if late else Reason.NO_BID, why=why)
        considered.append(each.model_copy(update={"rank": None, "refusals": (*each.refusals, against)}))
    final = decision.model_copy(update={"considered": tuple(considered)})
    return ApplicationError(
        f"nobody can serve {decision.need.capability}: {final.explain()}",
        {"decision": final.model_dump(mode="json")},
        type=NO_ROUTE,
        non_retryable=True,
    )
