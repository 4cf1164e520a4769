"""The task `Central`: one call, by the least loaded agent that would do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import FailureError

from sagamesh.naming import step_name
from sagamesh.routing.award import award, lost, never_started, stay
from sagamesh.routing.contract import CentralRequest, CentralResult, central
from sagamesh.routing.request import MatchRequest
from sagamesh.routing.route import match
from sagamesh.routing.terms import Json
from sagamesh.steering import TaskWorkflow

__all__ = ["Central"]

_LONGEST: Final = 3600.0
"""Seconds: at most so long for a round, as long as a caller may say at most. A wait of thirty days fits the history."""


@workflow.defn(name=central.name)
class Central(TaskWorkflow):
    """Waits until an agent that would do has room, and gives it the call.

    A call that nobody began in time certainly had no effect, and is routed again; when nobody is left, it ends as
    `NoRoute`. So is one that a breaker refused before anything was called. One that may have begun stays with its
    agent, under the same key, however long that takes: another agent might do it a second time.

    From round to round the next agent is given twice the time to begin, and asked more rarely.
    """

    task = central

    @workflow.run
    async def run(self, request: CentralRequest) -> CentralResult:
        """Route the call, and answer with its result and the decision.

        Raises:
            ApplicationError: `NoRoute`, `UnknownName`, `InvalidInput`, which say that nothing has happened; or what the
                agent failed with.
        """
        until = workflow.now() + timedelta(seconds=request.wait_seconds)
        within, round_takes = request.start_seconds, 0.0
        passed_over: tuple[str, ...] = ()
        while True:
            matched = await match(
                MatchRequest(
                    need=request.whole_need,
                    wait_seconds=max((until - workflow.now()).total_seconds(), 0.0),
                    input=request.input,
                    passed_over=passed_over,
                )
            )
            chosen, terms = matched.decision.ranked[0], matched.offered[0].call
            step = step_name(chosen.capability, self.board.steps)
            arg = Json(request.input)
            began = workflow.now()
            start_within = max(min(within, (until - began).total_seconds()), request.start_seconds)
            try:
                answer = await award(self.board, step, terms.call(start_within=timedelta(seconds=start_within)), arg)
            except FailureError as error:
                if never_started(error):
                    # Once the time is over, each is tried at most once more; then routing says why nobody would.
                    late = workflow.now() >= until
                    passed_over = (*passed_over, chosen.queue) if late else (chosen.queue,)
                    # The history has an end, and whoever is slow gets to a call that keeps its place in the queue.
                    rest = min(began + timedelta(seconds=round_takes), until) - workflow.now()
                    if rest > timedelta(0):
                        await workflow.sleep(rest, summary="route it again")
                    within = min(2 * within, _LONGEST)
                    round_takes = min(max(2 * round_takes, 1.0), _LONGEST)
                    continue
                if not lost(error):
                    raise
                answer = await stay(self.board, step, terms, arg)
            return CentralResult(agent=chosen.agent, queue=chosen.queue, result=answer.root, decision=matched.decision)
