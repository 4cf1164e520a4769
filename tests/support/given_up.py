"""Tasks whose own code gives something up while it runs: a step that waits for an operator, a pivot, a child."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio import workflow

from sagamesh import Saga, TaskWorkflow
from tests.support import deeds
from tests.support.deeds import DEED, Plan, Report


@workflow.defn
class StepGivenUp(TaskWorkflow):
    """Waits for its step after the pivot only for a while."""

    task = deeds.task("StepGivenUp")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.pivot(deeds.finish, DEED)
            try:
                async with asyncio.timeout(0.2):
                    await saga.step(deeds.second, DEED)
            except TimeoutError:
                return Report(said="without it")
        return Report(said="all")


@workflow.defn
class StepLeftRunning(TaskWorkflow):
    """Leaves its step after the pivot running, and ends its block once that waits for an operator."""

    task = deeds.task("StepLeftRunning")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.pivot(deeds.finish, DEED)
            left = asyncio.create_task(saga.step(deeds.second, DEED))
            await workflow.wait_condition(lambda: bool(self.board.unfinished))
        return Report(said="all" if left.done() else "")


@workflow.defn
class PivotGivenUp(TaskWorkflow):
    """Waits for its pivot only for a while."""

    task = deeds.task("PivotGivenUp")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            doing = asyncio.create_task(saga.pivot(deeds.finish, DEED))
            await workflow.wait_condition(doing.done, timeout=0.1)
        return Report(said="all")


@workflow.defn
class ChildBeside(TaskWorkflow):
    """Has a step, and another task beside it."""

    task = deeds.task("ChildBeside")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        child = f"{workflow.info().workflow_id}-child"
        async with Saga() as saga:
            await asyncio.gather(
                saga.step(deeds.second, DEED, undo=deeds.undo_second),
                workflow.execute_child_workflow("Chain", plan, id=child),
            )
        return Report(said="all")


FLOWS: Final[tuple[type, ...]] = (ChildBeside, PivotGivenUp, StepGivenUp, StepLeftRunning)
