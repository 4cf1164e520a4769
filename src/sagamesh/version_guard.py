"""The check of versions around an agent's implementations, as an interceptor of the worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sagamesh.agent import Agent
from sagamesh.breaker.attempts import pause, read_attempts
from sagamesh.compatibility import INCOMPATIBLE, Fit, fit, version_of
from sagamesh.policy import Retry

__all__ = ["VersionGuard"]

_LEAST_PAUSE: Final = timedelta(seconds=1)
"""Before a call that an older worker refused comes back: not at once to the same one."""


class VersionGuard(Interceptor):
    """Refuses calls of one agent whose callers were built against a version of it that this process does not serve.

    Nothing is called then: it stands before what keeps results and before the breakers, which learn nothing of it. A
    version of another major is refused for good. One that is only newer is refused for now, since during a rolling
    release another worker may have it; the capability's retries bound that.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """As the base class says."""
        # Also for capabilities that this version does not have: a newer one may.
        own = activity.info().activity_type.startswith(f"{self._agent.name}.")
        return _Guard(next, self._agent) if own else next


class _Guard(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, agent: Agent) -> None:
        super().__init__(next)
        self._agent = agent

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        wanted = version_of(input.headers)
        found = fit(self._agent.contract_version, wanted)
        if found is not Fit.COMPATIBLE:
            raise self._refusal(found, wanted)
        return await super().execute_activity(input)

    def _refusal(self, found: Fit, wanted: str) -> ApplicationError:
        name, serves = self._agent.name, self._agent.contract_version
        info = activity.info()
        declared = self._agent.capabilities.get(info.activity_type.partition(".")[2])
        retry = Retry() if declared is None else declared.policy.retry
        attempts = read_attempts(info.attempt, info.heartbeat_details)
        # With a breaker the engine's attempts have no end: the policy's count is kept here, as the breaker keeps it.
        endless = info.retry_policy is None or info.retry_policy.maximum_attempts == 0
        final = found is Fit.FOREIGN or (endless and attempts.real >= retry.attempts)
        if found is Fit.FOREIGN:
            what = f"release the caller with the contract of {serves}, or serve {wanted} as an agent of its own"
        else:
            what = f"release {name} {wanted} or later, before its callers"
        return ApplicationError(
            f"{name} is version {serves} here, the caller was built against {wanted}; nothing was called: {what}",
            {"agent": name, "serves": serves, "wanted": wanted},
            type=INCOMPATIBLE,
            non_retryable=final,
            next_retry_delay=None if final else max(_LEAST_PAUSE, pause(retry, attempts.real)),
        )
