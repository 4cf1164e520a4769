"""Faults around the implementations of one agent."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from sagamesh.call import current_call
from sagamesh.faults.source import VARIABLE, RuleFile

__all__ = ["FaultInterceptor", "fault_interceptors"]


def fault_interceptors(agent: str) -> list[Interceptor]:
    """What injects faults into this agent's calls: nothing, unless SAGAMESH_FAULTS names a file.

    Raises:
        InvalidInput: when the file is not valid.
    """
    named = os.environ.get(VARIABLE)
    return [FaultInterceptor(agent, RuleFile(Path(named)))] if named else []


class FaultInterceptor(Interceptor):
    """Injects what the rules say into the calls of one agent. It belongs innermost: breakers shall see its errors.

    Where one process serves several agents, each brings its own; it leaves the others' calls alone, so that a rule
    strikes once.
    """

    def __init__(self, agent: str, rules: RuleFile) -> None:
        self._prefix = f"{agent}."
        self._rules = rules

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Stand before the implementation."""
        return _Inbound(next, self._prefix, self._rules)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, prefix: str, rules: RuleFile) -> None:
        super().__init__(next)
        self._prefix = prefix
        self._rules = rules

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        capability = activity.info().activity_type
        rules = self._rules.current()
        if not rules.rules or not capability.startswith(self._prefix):
            return await self.next.execute_activity(input)
        call = current_call()
        injected = rules.injection(capability, call.key, call.attempt)
        if injected is None:
            return await self.next.execute_activity(input)
        activity.logger.info("injected fault: %s", injected)
        if injected.delay:
            await asyncio.sleep(injected.delay)
        if not injected.error:
            return await self.next.execute_activity(input)
        if injected.lose_answer:
            await self.next.execute_activity(input)
        raise ApplicationError(injected.message, type=injected.error, non_retryable=injected.final)
