"""The activities of routing: figures are gathered, a decision is made, and the task remembers both."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from sagamesh.agent import Agent
from sagamesh.capability import Capability
from sagamesh.errors import UnknownName
from sagamesh.failure import field_problems
from sagamesh.mesh import Mesh
from sagamesh.routing.candidate import Reason, Refusal
from sagamesh.routing.decision import Decision, decide
from sagamesh.routing.need import Need
from sagamesh.routing.request import MATCH, NO_ROUTE, ROUTE, Matched, MatchRequest, Offered, RouteRequest
from sagamesh.routing.survey import candidate_of, offering, survey
from sagamesh.routing.terms import Terms

__all__ = ["Router", "pause_before"]

_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=5)
"""The server's figures are up to five seconds old: to ask more often than that, for long, is of no use."""

_ANSWER: Final = ApplicationErrorCategory.BENIGN
"""No stack trace in the worker's log: that nobody would do is an answer, not an incident."""

Offering = list[tuple[Agent, Capability[Any, Any]]]


class Router:
    """Serves the activities `sagamesh.route` and `sagamesh.match` for the agents of a mesh.

    While a decision is waited for, the engine repeats the activity: that adds nothing to the task's history, and the
    last reasons stand beside the call in the Web UI.
    """

    def __init__(self, client: Client, mesh: Mesh) -> None:
        self._client = client
        self._mesh = mesh
        self._probed: dict[str, float] = {}
        """By queue whose breaker is half-open, when a call was last sent there, by the monotonic clock."""

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """For the worker of the framework's own parts."""
        return [self.route, self.match]

    @activity.defn(name=ROUTE)
    async def route(self, request: RouteRequest) -> Decision:
        """Choose who serves a need.

        Raises:
            ApplicationError: `NoRoute` with the decision, retried while it may be waited for; `UnknownName`.
        """
        return await self._decided(request, self._offering(request.need))

    @activity.defn(name=MATCH)
    async def match(self, request: MatchRequest) -> Matched:
        """Choose who serves a need with this input, and say how each is called.

        Raises:
            ApplicationError: as `route`; `InvalidInput` when no candidate that would do otherwise takes the input.
        """
        found = self._offering(request.need)
        undos = self._undos(found, request.undo) if request.undo else {}
        against = _wrong_input(found, request)
        if activity.info().attempt == 1 or not request.wait_seconds:
            for queue in request.passed_over:
                why = "it did not begin a call that it was given just now"
                against.setdefault(queue, []).append(Refusal(reason=Reason.NO_ANSWER, why=why))
        decision = await self._decided(request, found, against)
        by_queue = {capability.queue: capability for _, capability in found}
        offered = (Offered(call=Terms.of(by_queue[each.queue]), undo=undos.get(each.queue)) for each in decision.ranked)
        return Matched(decision=decision, offered=tuple(offered))

    async def _decided(
        self, request: RouteRequest, found: Offering, against: dict[str, list[Refusal]] | None = None
    ) -> Decision:
        info = activity.info()
        figures = await survey(self._client, [capability.queue for _, capability in found])
        now = time.monotonic()
        told = {queue: list(refusals) for queue, refusals in (against or {}).items()}
        for queue, stood in figures.items():
            # The server's figures do not show it yet, and many calls may be routed until they do.
            if stood.probe_seconds and now - self._probed.get(queue, -math.inf) < stood.probe_seconds:
                why = "its breaker is half-open, and was sent a call to try just now"
                told.setdefault(queue, []).append(Refusal(reason=Reason.HELD, why=why))
        decision = decide(
            request.need,
            [candidate_of(agent, capability) for agent, capability in found],
            figures,
            salt=info.workflow_id or "",
            refusals=told,
        )
        if decision.chosen is not None:
            if figures[decision.chosen.queue].probe_seconds:
                self._probed[decision.chosen.queue] = now
            return decision
        waited = datetime.now(UTC) - info.scheduled_time
        left = timedelta(seconds=request.wait_seconds) - waited
        pause = pause_before(info.attempt + 1, left) if decision.worth_waiting else None
        details = {"decision": decision.model_dump(mode="json")}
        message = _message(decision, timedelta(seconds=request.wait_seconds), gave_up=decision.worth_waiting)
        if pause is None:
            raise ApplicationError(message, details, type=NO_ROUTE, non_retryable=True, category=_ANSWER)
        raise ApplicationError(message, details, type=NO_ROUTE, next_retry_delay=pause, category=_ANSWER)

    def _offering(self, need: Need) -> Offering:
        try:
            return offering(self._mesh, need.capability)
        except UnknownName as error:
            raise _unknown(error) from None

    def _undos(self, found: Offering, undo: str) -> dict[str, Terms]:
        """By queue of the capability, how it is undone."""
        try:
            return {
                capability.queue: Terms.of(_same_input(capability, agent.find(undo))) for agent, capability in found
            }
        except UnknownName as error:
            raise _unknown(error) from None


def pause_before(attempt: int, left: timedelta) -> timedelta | None:
    """How long to wait before asking again; None when the time is over. The last question comes at its very end."""
    if left <= timedelta(0):
        return None
    return min(_FIRST_PAUSE * 2.0 ** min(attempt - 2, 10), _LONGEST_PAUSE, left)


def _message(decision: Decision, wait: timedelta, *, gave_up: bool) -> str:
    within = f" within {wait.total_seconds():g} s" if wait and gave_up else ""
    return f"nobody can serve {decision.need.capability}{within}: {decision.explain()}"


def _wrong_input(found: Offering, request: MatchRequest) -> dict[str, list[Refusal]]:
    """Which candidates do not take the input. Agents that share a capability's short name may differ in its model."""
    wrong: dict[str, list[Refusal]] = {}
    problems: Sequence[Any] = ()
    for _, capability in found:
        try:
            capability.takes.model_validate_json(_json(request))
        except ValidationError as error:
            problems = problems or field_problems(error, root="input")
            why = "; ".join(map(str, field_problems(error, root="input")))
            wrong[capability.queue] = [Refusal(reason=Reason.WRONG_INPUT, why=why)]
    if len(wrong) == len({capability.queue for _, capability in found}):
        told = "; ".join(map(str, problems))
        fields = [problem.model_dump(mode="json") for problem in problems]
        message = f"the input of {request.need.capability} is not valid: {told}"
        raise ApplicationError(message, {"fields": fields}, type="InvalidInput", non_retryable=True, category=_ANSWER)
    return wrong


def _json(request: MatchRequest) -> str:
    # As JSON, because that is how the agent will read it: a date is a string there, in Python it would be none.
    return request.model_dump_json(include={"input"})[len('{"input":') : -1]


def _same_input(capability: Capability[Any, Any], undo: Capability[Any, Any]) -> Capability[Any, Any]:
    if undo.takes is not capability.takes:
        message = f"{undo.type} cannot undo {capability.type}: it takes {undo.takes.__name__}"
        fields = [{"field": "undo", "problem": f"takes {undo.takes.__name__}, not {capability.takes.__name__}"}]
        raise ApplicationError(message, {"fields": fields}, type="InvalidInput", non_retryable=True, category=_ANSWER)
    return undo


def _unknown(error: UnknownName) -> ApplicationError:
    return ApplicationError(
        str(error), {"nearest": error.nearest}, type="UnknownName", non_retryable=True, category=_ANSWER
    )
