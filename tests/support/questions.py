"""Tasks of the tests about approvals."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from temporalio import workflow

from sagamesh import Saga, TaskWorkflow
from tests.support import deeds
from tests.support.deeds import DEED, Plan, Report


@workflow.defn
class Asking(TaskWorkflow):
    """Asks for approval between its steps."""

    task = deeds.task("Asking")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga(deadline=plan.deadline) as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            answer = await saga.approval("may I?", within=timedelta(seconds=plan.approval_seconds))
            await saga.pivot(deeds.finish, DEED)
        return Report(said=f"{answer.by}: {answer.reason}")


@workflow.defn
class AskingBeside(TaskWorkflow):
    """Asks in one branch while a step runs in the other."""

    task = deeds.task("AskingBeside")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await asyncio.gather(
                saga.approval("may I?", within=timedelta(hours=1)),
                saga.step(deeds.first, DEED, undo=deeds.undo_first),
            )
        return Report(said="all")


@workflow.defn
class AskingTwiceAtOnce(TaskWorkflow):
    """Asks two questions at once, which one answer cannot serve."""

    task = deeds.task("AskingTwiceAtOnce")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await asyncio.gather(
                saga.approval("may I?", within=timedelta(hours=1)),
                saga.approval("and this?", within=timedelta(hours=1)),
            )
        return Report(said="all")


@workflow.defn
class AskingTwice(TaskWorkflow):
    """Asks two questions, one after the other."""

    task = deeds.task("AskingTwice")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            one = await saga.approval("may I?", within=timedelta(hours=1))
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            two = await saga.approval("and this?", within=timedelta(hours=1))
        return Report(said=f"{one.by}, {two.by}")


FLOWS: Final[tuple[type, ...]] = (
    Asking,
    AskingBeside,
    AskingTwice,
    AskingTwiceAtOnce,
)
