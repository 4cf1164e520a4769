"""The breaker around an agent's implementations, as an interceptor of the worker."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.runtime import Runtime
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from sagamesh.agent import Agent
from sagamesh.breaker.attempts import marked, pause, read_attempts, unmarked
from sagamesh.breaker.contract import declared_breakers
from sagamesh.breaker.line import Line
from sagamesh.breaker.machine import Outcome
from sagamesh.breaker.watch import Watch
from sagamesh.fallback import BREAKER_OPEN
from sagamesh.policy import Retry

__all__ = ["BreakerInterceptor"]

_SPREAD: Final = 0.1
"""Which share of the wait is added at most, so that calls which were put off do not come back all at once."""

_LONGEST_SPREAD: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A capability with a breaker: its line, the attempts of its policy, and whether its callers fall back at once."""

    line: Line
    retry: Retry
    falls_back: bool


class BreakerInterceptor(Interceptor):
    """Guards the capabilities of one agent that declare a breaker; others pass untouched.

    Made once a process and pool: the workers of all its queues share the breakers.
    """

    def __init__(self, agent: Agent, client: Client) -> None:
        self._watch = Watch(client)
        self._guarded: dict[str, _Guarded] = {}
        for declared in declared_breakers(agent):
            line = Line(declared, identity=client.identity, meter=_meter(client), tell=self._watch.tell)
            self._watch.lines.append(line)
            for type in declared.capabilities:
                capability = agent.find(type.partition(".")[2])
                self._guarded[type] = _Guarded(line, capability.policy.retry, bool(capability.fallback))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the fleet while the block runs."""
        if not self._guarded:
            yield
            return
        async with self._watch.running():
            yield

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """As the base class says."""
        guarded = self._guarded.get(activity.info().activity_type)
        return next if guarded is None else _Guard(next, guarded, self._watch)


class _Guard(ActivityInboundInterceptor):
    """Made once an attempt."""

    def __init__(self, next: ActivityInboundInterceptor, guarded: _Guarded, watch: Watch) -> None:
        super().__init__(next)
        # As the engine has it; what the implementation sees is without the mark.
        self._info = activity.info()
        self._attempts = read_attempts(self._info.attempt, self._info.heartbeat_details)
        self._line = guarded.line
        self._retry = guarded.retry
        self._falls_back = guarded.falls_back
        self._watch = watch
        self._told = False

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Marking(outbound, self._attempts.refused))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if self._attempts.real > self._retry.attempts:
            # The attempts before this one ended without a word: each took too long, or its worker with it.
            times = f"{self._retry.attempts} attempts" if self._retry.attempts > 1 else "one attempt"
            raise ApplicationError(f"no answer in time ({times})", type="TimeoutError", non_retryable=True)
        if not self._info.is_local:
            waited = self._info.started_time - self._info.current_attempt_scheduled_time
            await self._watch.look_first(self._line, waited=waited.total_seconds())
        admission = self._line.admit()
        if admission.wait is not None:
            await self._watch.look_again(self._line.declared.queue)
            admission = self._line.admit()
        if admission.wait is not None:
            raise self._refusal(admission.wait)
        return await self._attempt(input, probe=admission.probe)

    async def _attempt(self, input: ExecuteActivityInput, *, probe: bool) -> Any:
        limit = self._info.start_to_close_timeout
        overdue = None
        if limit is not None:
            # The engine gives the attempt up at this moment, and tells nobody here.
            overdue = asyncio.get_running_loop().call_later(limit.total_seconds(), self._overdue, limit, probe)
        try:
            result = await super().execute_activity(input)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            timed_out = details is not None and details.timed_out
            self._tell(Outcome.FAILURE if timed_out else Outcome.NEUTRAL, probe, "no answer in time")
            raise
        except Exception as error:
            final = isinstance(error, ApplicationError) and error.non_retryable
            # A final answer comes from something that works.
            self._tell(Outcome.SUCCESS if final else Outcome.FAILURE, probe, _cause(error))
            if final:
                raise
            raise self._again(error) from error.__cause__
        else:
            self._tell(Outcome.SUCCESS, probe)
            return result
        finally:
            if overdue is not None:
                overdue.cancel()

    def _overdue(self, limit: timedelta, probe: bool) -> None:
        self._tell(Outcome.FAILURE, probe, f"no answer within {limit.total_seconds():g} s")

    def _tell(self, outcome: Outcome, probe: bool, cause: str = "") -> None:
        if not self._told:
            self._told = True
            self._line.finish(outcome, probe=probe, cause=f"{self._info.activity_type}: {cause}")

    def _again(self, error: Exception) -> ApplicationError:
        """The same error, saying when the next attempt may come; final when there is none left."""
        wait = self._line.wait()
        last = self._attempts.real >= self._retry.attempts or (wait is not None and self._falls_back)
        asked = error.next_retry_delay if isinstance(error, ApplicationError) else None
        delay = asked
        if wait is not None:
            least = timedelta(seconds=self._spread(wait))
            delay = least if asked is None else max(asked, least)
        elif asked is None and self._attempts.refused:
            delay = pause(self._retry, self._attempts.real)  # the engine's own counts the refused ones, too
        known = error if isinstance(error, ApplicationError) else None
        made = ApplicationError(
            known.message if known else str(error),
            *(known.details if known else ()),
            type=(known.type if known else None) or type(error).__name__,
            non_retryable=last,
            next_retry_delay=None if last else delay,
            category=known.category if known else ApplicationErrorCategory.UNSPECIFIED,
        )
        return made.with_traceback(error.__traceback__)

    def _refusal(self, wait: float) -> ApplicationError:
        if not self._info.is_local:
            activity.heartbeat(*unmarked(self._info.heartbeat_details), _REFUSED)
        line = self._line
        return ApplicationError(
            f"breaker {line.declared.key} is open, nothing was called"
            + (f" (it opened on {line.cause})" if line.cause else ""),
            # `called`: whether an attempt before this one was made. Its effect may stand, although this one had none.
            {"breaker": line.declared.key, "queue": line.declared.queue, "called": self._attempts.real > 1},
            type=BREAKER_OPEN,
            non_retryable=self._falls_back,
            next_retry_delay=None if self._falls_back else timedelta(seconds=self._spread(wait)),
            category=ApplicationErrorCategory.BENIGN,
        )

    def _spread(self, wait: float) -> float:
        """The wait and a little more, the same for each attempt of a call."""
        name = f"{self._info.workflow_id}/{self._info.activity_id}".encode()
        share = int.from_bytes(hashlib.sha256(name).digest()[:2]) / 0xFFFF
        return wait + share * min(_SPREAD * wait, _LONGEST_SPREAD)


_REFUSED: Final = object()
"""Stands in a heartbeat for one more refused attempt."""


class _Marking(ActivityOutboundInterceptor):
    """Adds the number of refused attempts to each heartbeat, and hides it from who reads them."""

    def __init__(self, next: ActivityOutboundInterceptor, refused: int) -> None:
        super().__init__(next)
        self._refused = refused

    def info(self) -> activity.Info:
        known = super().info()
        return replace(known, heartbeat_details=unmarked(known.heartbeat_details))

    def heartbeat(self, *details: Any) -> None:
        if details and details[-1] is _REFUSED:
            self._refused += 1
            details = details[:-1]
        super().heartbeat(*marked(details, self._refused))


def _cause(error: Exception) -> str:
    kind = (error.type if isinstance(error, ApplicationError) else None) or type(error).__name__
    first = next(iter(str(error).splitlines()), "")
    return f"{kind}: {first}"


def _meter(client: Client) -> MetricMeter:
    return (client.service_client.config.runtime or Runtime.default()).metric_meter
