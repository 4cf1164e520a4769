"""Tasks of the tests about the point of no return."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio import workflow

from sagamesh import Saga, TaskWorkflow
from tests.support import deeds
from tests.support.deeds import DEED, Plan, Report


@workflow.defn
class AfterPivot(TaskWorkflow):
    """Has a step after its pivot, and waits a moment between them."""

    task = deeds.task("AfterPivot")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.pivot(deeds.finish, DEED)
            await saga.step(deeds.second, DEED)
        return Report(said="all")


@workflow.defn
class Finishing(TaskWorkflow):
    """Has one step after its pivot, or two side by side, and reports what they did."""

    task = deeds.task("Finishing")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.pivot(deeds.finish, DEED)
            steps = [saga.step(deeds.second, DEED)]
            if plan.again:
                steps.append(saga.step(deeds.third, DEED))
            done = await asyncio.gather(*steps)
        return Report(said=" ".join(each.what for each in done))


@workflow.defn
class SleepsAfterPivot(TaskWorkflow):
    """As `AfterPivot`, and then waits for time to pass, within the block and after it."""

    task = deeds.task("SleepsAfterPivot")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.pivot(deeds.finish, DEED)
            await saga.step(deeds.second, DEED)
            await workflow.sleep(0.02)
        await workflow.sleep(0.02)
        return Report(said="all")


@workflow.defn
class GathersAfterPivot(TaskWorkflow):
    """As `AfterPivot`, with two things side by side, which a cancel reaches even while each of them is shielded."""

    task = deeds.task("GathersAfterPivot")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.pivot(deeds.finish, DEED)
            await asyncio.gather(saga.step(deeds.second, DEED), workflow.sleep(0.02))
        return Report(said="all")


@workflow.defn
class AttemptBesidePivot(TaskWorkflow):
    """Tries something that it can do without while its pivot runs."""

    task = deeds.task("AttemptBesidePivot")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            _, outcome = await asyncio.gather(saga.pivot(deeds.finish, DEED), saga.attempt(deeds.extra, DEED))
        return Report(said="all" if outcome.ok else f"without extra: {outcome.failure}")


@workflow.defn
class TwoSagas(TaskWorkflow):
    """Begins a second saga after the point of no return of the first."""

    task = deeds.task("TwoSagas")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.pivot(deeds.finish, DEED)
        async with Saga() as another:
            await another.step(deeds.third, DEED, undo=deeds.undo_third)
        return Report(said="all")


@workflow.defn
class SagaInSaga(TaskWorkflow):
    """Begins a saga while another is open, which would not undo its steps."""

    task = deeds.task("SagaInSaga")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            async with Saga() as another:
                await another.step(deeds.third, DEED, undo=deeds.undo_third)
        return Report(said="all")


@workflow.defn
class SagaAfterSaga(TaskWorkflow):
    """Begins a saga when another has ended well; that one is over, and is not undone."""

    task = deeds.task("SagaAfterSaga")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
        async with Saga() as another:
            await another.step(deeds.second, DEED, undo=deeds.undo_second)
            await another.step(deeds.third, DEED, undo=deeds.undo_third)
        return Report(said="all")


@workflow.defn
class TwoPivots(TaskWorkflow):
    """Has a second point of no return."""

    task = deeds.task("TwoPivots")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.pivot(deeds.finish, DEED)
            await saga.pivot(deeds.third, DEED)
        return Report(said="all")


@workflow.defn
class UndoAfterPivot(TaskWorkflow):
    """Expects something to be undone after its pivot."""

    task = deeds.task("UndoAfterPivot")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.pivot(deeds.finish, DEED)
            await saga.step(deeds.third, DEED, undo=deeds.undo_third)
        return Report(said="all")


@workflow.defn
class PivotBeside(TaskWorkflow):
    """Its pivot begins while a step still runs."""

    task = deeds.task("PivotBeside")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await asyncio.gather(saga.step(deeds.second, DEED, undo=deeds.undo_second), saga.pivot(deeds.finish, DEED))
        return Report(said="all")


@workflow.defn
class AfterBlock(TaskWorkflow):
    """Takes a step when its saga is over."""

    task = deeds.task("AfterBlock")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
        await saga.step(deeds.third, DEED, undo=deeds.undo_third)
        return Report(said="all")


FLOWS: Final[tuple[type, ...]] = (
    AfterBlock,
    AfterPivot,
    AttemptBesidePivot,
    Finishing,
    GathersAfterPivot,
    PivotBeside,
    SleepsAfterPivot,
    TwoPivots,
    SagaInSaga,
    SagaAfterSaga,
    TwoSagas,
    UndoAfterPivot,
)
