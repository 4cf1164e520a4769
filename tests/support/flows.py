"""Tasks of the tests, one for each thing that a saga may go through."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, ClassVar, Final

from temporalio import workflow
from temporalio.exceptions import ActivityError

from mesh_agents.order import OrderRequest
from sagamesh import Capability, Saga, Task, TaskWorkflow
from tests.support import deeds, given_up, pivots, questions
from tests.support.deeds import DEED, Deed, Done, OddPlan, Plan, Report, Switch, Text


@workflow.defn
class Chain(TaskWorkflow):
    """Two steps, the pivot, and something that the task can do without."""

    task = deeds.task("Chain")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga(deadline=plan.deadline) as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.second, DEED, undo=deeds.undo_second)
            await saga.pivot(deeds.finish, DEED)
            outcome = await saga.attempt(deeds.extra, DEED)
        return Report(said="all" if outcome.ok else f"without extra: {outcome.failure}")


@workflow.defn
class NoPivot(TaskWorkflow):
    """Two steps and an attempt; it may be undone until its last moment."""

    task = deeds.task("NoPivot")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga(deadline=plan.deadline) as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            outcome = await saga.attempt(deeds.extra, DEED)
            await saga.step(deeds.second, DEED, undo=deeds.undo_second)
        return Report(said="all" if outcome.ok else f"without extra: {outcome.failure}")


@workflow.defn
class Beside(TaskWorkflow):
    """One branch does first, then third; the other does second."""

    task = deeds.task("Beside")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async def branch() -> Done:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            return await saga.step(deeds.third, DEED, undo=deeds.undo_third)

        async with Saga(deadline=plan.deadline) as saga:
            await asyncio.gather(branch(), saga.step(deeds.second, DEED, undo=deeds.undo_second))
        return Report(said="all")


@workflow.defn
class Grouped(TaskWorkflow):
    """As `Beside`, with the other way to run things side by side."""

    task = deeds.task("Grouped")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async def branch() -> Done:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            return await saga.step(deeds.third, DEED, undo=deeds.undo_third)

        async with Saga(deadline=plan.deadline) as saga, asyncio.TaskGroup() as group:
            group.create_task(branch())
            group.create_task(saga.step(deeds.second, DEED, undo=deeds.undo_second))
        return Report(said="all")


@workflow.defn
class Awaiting(TaskWorkflow):
    """Waits for its second step in one of the ways that Python has."""

    task = deeds.task("Awaiting")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga(deadline=plan.deadline) as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            step = saga.step(deeds.second, DEED, undo=deeds.undo_second)
            match plan.how:
                case "plainly":
                    await step
                case "task":
                    await asyncio.create_task(step)
                case "shield":
                    await asyncio.shield(step)
                case "gather":
                    await asyncio.gather(step)
                case "gather with errors":
                    await asyncio.gather(step, return_exceptions=True)
                case "group":
                    async with asyncio.TaskGroup() as group:
                        group.create_task(step)
                case "wait":
                    await workflow.wait([asyncio.create_task(step)])
                case "wait for":
                    await asyncio.wait_for(step, 3600)
                case "timeout":
                    async with asyncio.timeout(3600):
                        await step
                case "short wait for":
                    await asyncio.wait_for(step, 0.05)
                case "short timeout":
                    async with asyncio.timeout(0.05):
                        await step
                case "condition":
                    doing = asyncio.create_task(step)
                    await workflow.wait_condition(doing.done)
                case _:
                    raise ValueError(plan.how)
            await saga.pivot(deeds.finish, DEED)
        return Report(said="all")


@workflow.defn
class Arranged(TaskWorkflow):
    """Takes its steps as it is told: `first,second|third|finish` is two side by side, then one, then the pivot."""

    task = deeds.task("Arranged")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        steps = {
            "first": (deeds.first, deeds.undo_first),
            "second": (deeds.second, deeds.undo_second),
            "third": (deeds.third, deeds.undo_third),
        }
        async with Saga(deadline=plan.deadline) as saga:
            for group in plan.how.split("|"):
                doing: list[Coroutine[Any, Any, object]] = []
                for name in group.split(","):
                    if name == "finish":
                        doing.append(saga.pivot(deeds.finish, DEED))
                    elif name == "extra":
                        doing.append(saga.attempt(deeds.extra, DEED))
                    else:
                        step, undo = steps[name]
                        doing.append(saga.step(step, DEED, undo=undo))
                await asyncio.gather(*doing)
        return Report(said="all")


@workflow.defn
class LeftBehind(TaskWorkflow):
    """Leaves the block while a step still runs."""

    task = deeds.task("LeftBehind")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            left = asyncio.create_task(saga.step(deeds.second, DEED, undo=deeds.undo_second))
            await asyncio.sleep(0)
        return Report(said=(await left).what)


@workflow.defn
class Buggy(TaskWorkflow):
    """Has a bug after its first step, until it is mended."""

    task = deeds.task("Buggy")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            if Switch.broken:
                raise KeyError("a bug")
            await saga.step(deeds.second, DEED, undo=deeds.undo_second)
        return Report(said="all")


class Unfit(Exception):
    """An error that this project's workflows end with."""


@workflow.defn(failure_exception_types=[Unfit])
class Unfitting(TaskWorkflow):
    """Ends by an error of its own, which it has declared to end it."""

    task = deeds.task("Unfitting")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            raise Unfit("it does not fit")


@workflow.defn
class Impatient(TaskWorkflow):
    """Waits within the block for something that does not come; the engine ends a workflow by that error too."""

    task = deeds.task("Impatient")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await workflow.wait_condition(lambda: False, timeout=timedelta(milliseconds=20))
        return Report(said="all")


@workflow.defn
class Again(TaskWorkflow):
    """Continues as new inside the block, once."""

    task = deeds.task("Again")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            if plan.again:
                workflow.continue_as_new(plan.model_copy(update={"again": plan.again - 1}))
        return Report(said="all")


@workflow.defn
class Rounds(TaskWorkflow):
    """Does the same in each of its runs; in the last one also `finish`."""

    task = deeds.task("Rounds")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await deeds.second(DEED)
            await deeds.third(DEED)
            if plan.again:
                workflow.continue_as_new(plan.model_copy(update={"again": plan.again - 1}))
            if plan.how == "finished":
                await saga.step(deeds.finish, DEED)
        return Report(said="all")


@workflow.defn
class Large(TaskWorkflow):
    """Sends and returns texts of a size."""

    task = deeds.task("Large")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.second, Deed(blob="x" * plan.size), undo=deeds.undo_second)
        return Report(said="all")


@workflow.defn
class LargeEnd(TaskWorkflow):
    """Its own result is of a size."""

    task = deeds.task("LargeEnd")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        return Report(blob="x" * plan.size)


@workflow.defn
class Misspelled(TaskWorkflow):
    """Calls a capability that nobody serves, on a queue that somebody serves."""

    task = deeds.task("Misspelled")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.unserved, DEED)
        return Report(said="all")


@workflow.defn
class Late(TaskWorkflow):
    """Its second step is given up after a short while."""

    task = deeds.task("Late")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.hasty, DEED, undo=deeds.undo_hasty)
        return Report(said="all")


@workflow.defn
class Twice(TaskWorkflow):
    """Calls one capability twice."""

    task = deeds.task("Twice")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.second, DEED, undo=deeds.undo_second)
        return Report(said="all")


@workflow.defn
class Unmanned(TaskWorkflow):
    """Its second step is for an agent that nobody serves."""

    task = deeds.task("Unmanned")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.idle, DEED, undo=deeds.undo_second)
        return Report(said="all")


@workflow.defn
class Stubborn(TaskWorkflow):
    """Its second step is tried again an hour after it failed."""

    task = deeds.task("Stubborn")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga(deadline=plan.deadline) as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            await saga.step(deeds.stubborn, DEED, undo=deeds.undo_stubborn)
        return Report(said="all")


@workflow.defn
class Odd(TaskWorkflow):
    """Calls an agent of another team."""

    task = Task("Odd", takes=OddPlan, returns=Report, queue="deeds")

    @workflow.run
    async def run(self, plan: OddPlan) -> Report:
        answer, undo = (
            Capability(agent="odd", name=name, takes=Deed, returns=Done, queue=plan.queue)
            for name in ("answer", "undo")
        )
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            if plan.pivot:
                done = await saga.pivot(answer, DEED)
            else:
                done = await saga.step(answer, DEED, undo=undo)
        return Report(said=done.what)


@workflow.defn
class Texts(TaskWorkflow):
    """Takes any text."""

    task = Task("Texts", takes=Text, returns=Report, queue="deeds")

    @workflow.run
    async def run(self, text: Text) -> Report:
        return Report(said=text.text[:10])


@workflow.defn
class Catching(TaskWorkflow):
    """Goes on without a step that failed."""

    task = deeds.task("Catching")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            try:
                await saga.step(deeds.first, DEED, undo=deeds.undo_first)
            except ActivityError:
                await saga.step(deeds.second, DEED, undo=deeds.undo_second)
        return Report(said="all")


@workflow.defn
class Bare(TaskWorkflow):
    """Calls agents without a saga."""

    task = deeds.task("Bare")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        done = await deeds.first(DEED)
        return Report(said=done.what)


@workflow.defn
class Parent(TaskWorkflow):
    """Has a task of its own, and fails as that fails."""

    task: ClassVar[Task[Plan, Report]] = deeds.task("Parent")

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.third, DEED, undo=deeds.undo_third)
            child_id = f"{workflow.info().workflow_id}-child"
            report: Report = await workflow.execute_child_workflow("Chain", plan, id=child_id, result_type=Report)
        return report


@workflow.defn
class Echo:
    """Says what it was told; no task."""

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderRequest:
        return request


@workflow.defn
class Loose:
    """Uses a saga without being a task."""

    @workflow.run
    async def run(self, plan: Plan) -> Report:
        async with Saga() as saga:
            await saga.step(deeds.first, DEED, undo=deeds.undo_first)
        return Report(said="all")


FLOWS: Final[tuple[type, ...]] = (
    Again,
    Rounds,
    Arranged,
    Awaiting,
    Bare,
    Beside,
    Buggy,
    Catching,
    Chain,
    Grouped,
    Impatient,
    Large,
    LargeEnd,
    Late,
    LeftBehind,
    Loose,
    Misspelled,
    NoPivot,
    Odd,
    Parent,
    Stubborn,
    Texts,
    Twice,
    Unmanned,
    Unfitting,
    *given_up.FLOWS,
    *pivots.FLOWS,
    *questions.FLOWS,
)
