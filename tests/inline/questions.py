"""Tasks that ask a person, and host themselves inline beside the hands."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from temporalio import workflow

from sagamesh import Message, Pool, Saga, Task, TaskWorkflow, minutes
from tests.inline.hands import Deed, Hands, do, far, hands, undo

__all__ = ["Answer", "Beside", "Held", "Questions", "beside", "both", "pools"]


class Held(Message):
    """A call goes on once this file is gone."""

    path: str = ""


class Answer(Message):
    """Who has said what, or how it was done."""

    said: str


both = Task("BothQuestions", takes=Held, returns=Answer, queue="questions", uses=(hands,))
beside = Task("BesideQuestion", takes=Held, returns=Answer, queue="questions", uses=(hands,))


@workflow.defn(name=both.name)
class Questions(TaskWorkflow):
    """Asks two questions side by side, after a call."""

    task = both

    @workflow.run
    async def run(self, held: Held) -> Answer:
        async with Saga() as saga:
            await saga.step(do, Deed(name="first"), undo=undo)
            answers = await asyncio.gather(*(saga.approval(each, within=minutes(10)) for each in ("small?", "large?")))
        return Answer(said=", ".join(f"{each.question} {each.by}" for each in answers))


@workflow.defn(name=beside.name)
class Beside(TaskWorkflow):
    """Asks while a call on a queue goes on, and then makes one that could be made on the spot."""

    task = beside

    @workflow.run
    async def run(self, held: Held) -> Answer:
        async with Saga() as saga:
            await asyncio.gather(
                saga.approval("charge?", within=minutes(10)),
                saga.step(far, Deed(name="far", held_by=held.path), undo=undo),
            )
            done = await saga.step(do, Deed(name="charge"), undo=undo)
        return Answer(said="on the spot" if done.on_the_spot else "on the queue")


def pools(book: Path) -> list[Pool]:
    """Who does the deeds, and who hosts the tasks."""
    made = Hands(book)
    return [
        Pool(hands, grace=timedelta(0)).serve(do, made.do).serve(undo, made.undo).serve(far, made.do),
        Pool("questions", grace=timedelta(0)).host(both, Questions).host(beside, Beside),
    ]
