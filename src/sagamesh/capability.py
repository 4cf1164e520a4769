"""A capability: one typed operation of an agent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType, ActivityHandle

from sagamesh.compatibility import knowing
from sagamesh.degraded import Degradation
from sagamesh.errors import NotDurable
from sagamesh.failure import Failure, failed, failure_of
from sagamesh.fallback import Default, Fallback, Kept, degrades
from sagamesh.inline import on_the_spot, recorded, runs_inline, spot
from sagamesh.limits.provider import queue_in_zone
from sagamesh.message import Message, check_models
from sagamesh.naming import FIRST, bare_name, generation
from sagamesh.policy import Policy, Retry

__all__ = ["Capability", "KeptAnswer", "kept_queue", "kept_type"]

_KEPT_WAIT = timedelta(seconds=2)
"""How long a caller that has no answer waits for a worker that looks for an earlier one."""

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)


@dataclass(frozen=True, slots=True, eq=False)
class Capability(Generic[In, Out]):
    """What an agent can do: one pydantic model in, one out, and how it is called.

    Made by `Agent.capability`, whose version it has: calls carry it, and a worker of an incompatible one refuses them
    (see `sagamesh.compatibility`). Inside a workflow, calling it schedules it on the agent's queue and returns the
    checked answer: `user = await accounts.validate(UserRef(user_id="u-1"))`.
    """

    agent: str
    name: str
    takes: type[In]
    returns: type[Out]
    queue: str
    policy: Policy = field(default_factory=Policy)
    summary: str = ""
    fallback: tuple[Fallback, ...] = ()
    version: str = ""
    type: str = field(init=False)
    """The activity type on the wire: `<agent>.<capability>`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", f"{self.agent}.{self.name}")
        check_models(self.type, takes=self.takes, returns=self.returns)

    def __repr__(self) -> str:
        return f"Capability({self.type}: {self.takes.__name__} -> {self.returns.__name__})"

    def in_zone(self, zone: str | None) -> Capability[In, Out]:
        """The same capability in a zone of its agent, None for none. In a zone other than its own it never runs inline,
        because who hosts a task need not serve that zone.
        """
        queue = queue_in_zone(self.queue, self.agent, zone)
        if queue == self.queue:
            return self
        return replace(self, queue=queue, policy=replace(self.policy, inline=False))

    async def __call__(self, arg: In) -> Out:
        """Call the agent and wait for its answer.

        Raises:
            NotDurable: outside a workflow.
            temporalio.exceptions.ActivityError: when the agent's answer is an error or does not come in time.
        """
        return self.read(await self.schedule(arg))

    def schedule(
        self, arg: In, *, activity_id: str | None = None, summary: str | None = None
    ) -> asyncio.Task[RawValue]:
        """Put the call on the agent's queue and return its handle; `read` makes its result an `Out`.

        In a task that was started inline, an inline capability runs in the task's own process instead (see
        `sagamesh.inline`).

        The call is waited for even when the task is cancelled, so that whoever compensates knows that it has stopped.

        Raises:
            NotDurable: outside a workflow.
            ApplicationError: `PayloadTooLarge`, non-retryable, with the sizes.
        """
        if not workflow.in_workflow():
            raise NotDurable(
                f"{self.type} was called outside a workflow, where nothing would retry it or remember that it ran. "
                "Call it from a task; in a test, call the implementation or start a task with fakes "
                "(sagamesh.testing)."
            )
        if not isinstance(arg, self.takes):
            raise TypeError(f"{self.type} takes {self.takes.__name__}, not {type(arg).__name__}")
        if activity_id is None and generation() != FIRST:
            activity_id = bare_name()
        shown = summary if summary is not None else (self.summary or None)
        call = self._begin(arg, activity_id, shown)
        return asyncio.create_task(self._or_fallback(call, arg, activity_id)) if self.fallback else call

    def _begin(self, arg: In, activity_id: str | None, shown: str | None) -> asyncio.Task[RawValue]:
        policy = self.policy
        try:
            if not runs_inline():
                return self._queued(arg, self.queue, policy.retry, activity_id, shown)
            if not policy.inline:
                return recorded(self._queued(arg, self.queue, policy.retry, activity_id, shown))
            own_queue = workflow.info().task_queue
            if spot().unrecorded:
                return recorded(self._queued(arg, own_queue, policy.retry, activity_id, shown))
            name = activity_id or bare_name()  # should it go on elsewhere, it is still the same effect
            once = policy.retry.attempts == 1
            rest = policy.retry if once else replace(policy.retry, attempts=policy.retry.attempts - 1)
            with knowing(self.version):
                here = workflow.start_local_activity(
                    self.type,
                    arg,
                    result_type=RawValue,
                    activity_id=name,
                    start_to_close_timeout=policy.timeout,
                    schedule_to_start_timeout=policy.queue_timeout,
                    schedule_to_close_timeout=policy.total,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                    summary=shown,
                )
            return on_the_spot(
                self.type,
                here,
                pause=policy.retry.first,
                once=once,
                again=lambda: self._queued(arg, own_queue, rest, name, shown),
            )
        except ApplicationError as error:
            raise self._failed(failure_of(error)) from None

    async def _or_fallback(self, call: asyncio.Task[RawValue], arg: In, activity_id: str | None) -> RawValue:
        """The call's answer; where there is none, that of the first fallback that has one, marked as degraded."""
        try:
            return await call
        except ActivityError as error:
            if not degrades(error):
                raise
            failure = failure_of(error)
            for each in self.fallback:
                try:
                    result = await self._fallen(each, arg, activity_id, failure)
                except ActivityError as worse:
                    if is_cancelled_exception(worse) or (not degrades(worse) and not isinstance(each, Kept)):
                        raise
                else:
                    if result is not None:
                        return RawValue(workflow.payload_converter().to_payload(result))
            raise

    async def _fallen(self, fallback: Fallback, arg: In, activity_id: str | None, failure: Failure) -> BaseModel | None:
        """What a fallback has to say instead; None for a kept result that is none any more."""
        why = Degradation(by="default", type=failure.type, because=failure.message)
        if isinstance(fallback, Default):
            return _degraded(fallback.value, why)
        if isinstance(fallback, Kept):
            with knowing(self.version):
                handle = workflow.start_activity(
                    kept_type(self.type),
                    arg,
                    result_type=KeptAnswer,
                    task_queue=kept_queue(self.queue),
                    schedule_to_start_timeout=_KEPT_WAIT,
                    start_to_close_timeout=self.policy.timeout,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                    summary=f"An earlier result of {self.type}",
                )
            kept: KeptAnswer = await handle
            try:
                result = self.returns.model_validate_json(json.dumps(kept.result))
            except ValidationError:
                return None  # the contract has changed since it was kept
            return _degraded(result, why.model_copy(update={"by": "kept", "age_seconds": kept.age_seconds}))
        # Another effect, another key.
        own_id = None if activity_id is None else f"{activity_id}~{fallback.type}"
        answer: BaseModel = fallback.read(await fallback.schedule(arg, activity_id=own_id))
        return _degraded(answer, why.model_copy(update={"by": fallback.type}))

    def _queued(
        self, arg: In, queue: str, retry: Retry, activity_id: str | None, summary: str | None
    ) -> ActivityHandle[RawValue]:
        policy = self.policy
        with knowing(self.version):
            return workflow.start_activity(
                self.type,
                arg,
                result_type=RawValue,
                task_queue=queue,
                activity_id=activity_id,
                start_to_close_timeout=policy.timeout,
                schedule_to_start_timeout=policy.queue_timeout,
                schedule_to_close_timeout=policy.total,
                heartbeat_timeout=policy.heartbeat,
                retry_policy=replace(policy, retry=retry).retry_policy(),
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                priority=policy.engine_priority(),
                summary=summary,
            )

    def read(self, answer: RawValue) -> Out:
        """Check an answer against the contract.

        The engine would do this before the task's code sees it, where a mismatch ends the task without compensation;
        here it is an error like any other.

        Raises:
            ApplicationError: `InvalidResult`, non-retryable, naming the fields.
        """
        try:
            checked = workflow.payload_converter().from_payload(answer.payload, self.returns)
        except ApplicationError as error:
            raise self._failed(failure_of(error), wrong=error.message) from None
        if not isinstance(checked, self.returns):
            # JSON null and bytes are not even looked at by pydantic.
            kind = type(checked).__name__
            raise self._failed(Failure(type="InvalidResult", message=""), wrong=f"{kind} is no {self.returns.__name__}")
        return checked

    def _failed(self, failure: Failure, *, wrong: str = "") -> ApplicationError:
        """The error of this step, although no activity failed."""
        told: dict[str, str] = {"step": self.type}
        if wrong:
            message = f"answered with something else than its contract says: {wrong}"
            told |= {"type": "InvalidResult", "message": message}
        return failed(failure.model_copy(update=told))


class KeptAnswer(Message):
    """An earlier result, as JSON, and its age."""

    result: dict[str, Any]
    age_seconds: float


def kept_type(type: str) -> str:
    """The activity type that looks for an earlier result of a capability."""
    return f"{type}.kept"


def kept_queue(queue: str) -> str:
    """The queue on which a pool looks for earlier results. Its own, because the capability's may be held."""
    return f"{queue}+kept"


def _degraded(result: BaseModel, why: Degradation) -> BaseModel:
    # What fell back itself has said why already.
    return result if getattr(result, "degraded", None) is not None else result.model_copy(update={"degraded": why})
