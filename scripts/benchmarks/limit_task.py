"""The task of the limits bench."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from benchmarks.limit_contracts import Call, Calls, Done, crowd, desk_call, limited_call
from sagamesh import TaskWorkflow

__all__ = ["Crowd"]

_CAPABILITIES = {each.type: each for each in (limited_call, desk_call)}


@workflow.defn(name=crowd.name)
class Crowd(TaskWorkflow):
    """Makes all its calls at once."""

    task = crowd

    @workflow.run
    async def run(self, calls: Calls) -> Done:
        """Wait for all of them."""
        capability = _CAPABILITIES[calls.capability]
        await asyncio.gather(*(capability(Call(tenant=calls.tenant)) for _ in range(calls.count)))
        return Done()
