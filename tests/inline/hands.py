"""An agent whose calls leave a line in a file, and tasks that call it. Run as a program it hosts both, inline."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from sagamesh import (
    Agent,
    App,
    Mesh,
    Message,
    Pool,
    Retry,
    Saga,
    Task,
    TaskWorkflow,
    current_call,
    milliseconds,
    minutes,
)
from sagamesh.hosting import hosting

__all__ = ["BOOK", "Alone", "Hands", "Job", "Work", "alone", "app", "hands", "pools", "work"]

_keys: dict[Path, list[str]] = {}

BOOK = "TEST_HANDS_BOOK"
"""Environment variable: the file of the pools that the app opens."""


class Deed(Message):
    """What to do: `fails` so often before it works, `takes` so many seconds each time, goes on once a file is gone."""

    name: str
    fails: int = 0
    refused: bool = False
    takes: float = 0.0
    held_by: str = ""


class Done(Message):
    """It is done; by a call on the spot or not."""

    on_the_spot: bool


hands = Agent("hands")
do = hands.capability(
    "do",
    takes=Deed,
    returns=Done,
    timeout=minutes(1),
    retry=Retry(attempts=3, first=milliseconds(20)),
    inline=True,
)
undo = hands.capability("undo", takes=Deed, returns=Done, inline=True)
far = hands.capability("far", takes=Deed, returns=Done)


class Job(Message):
    """Deeds, one after the other; somebody must approve the one of `ask_before`. One called `far` is not inline."""

    deeds: tuple[Deed, ...]
    ask_before: int | None = None
    deadline: float | None = None


class Outcome(Message):
    """Which deeds were done on the spot."""

    on_the_spot: tuple[bool, ...]


work = Task("Work", takes=Job, returns=Outcome, queue="work", uses=(hands,))
alone = Task("Alone", takes=Job, returns=Outcome, queue="work", uses=(hands,))


@workflow.defn(name=work.name)
class Work(TaskWorkflow):
    """Does the deeds, or undoes them."""

    task = work

    @workflow.run
    async def run(self, job: Job) -> Outcome:
        """Do them."""
        found = []
        deadline = None if job.deadline is None else timedelta(seconds=job.deadline)
        async with Saga(deadline=deadline) as saga:
            for number, deed in enumerate(job.deeds):
                if number == job.ask_before:
                    await saga.approval("Go on?", within=minutes(10))
                done = await saga.step(far if deed.name == "far" else do, deed, undo=undo)
                found.append(done.on_the_spot)
        return Outcome(on_the_spot=tuple(found))


@workflow.defn(name=alone.name)
class Alone(TaskWorkflow):
    """Does the deeds, and cannot undo them."""

    task = alone

    @workflow.run
    async def run(self, job: Job) -> Outcome:
        """Do them."""
        return Outcome(on_the_spot=tuple([(await do(deed)).on_the_spot for deed in job.deeds]))


class Hands:
    """Does deeds by writing them into a file."""

    def __init__(self, book: Path) -> None:
        self._book = book

    def lines(self) -> list[str]:
        """What was done so far."""
        return self._book.read_text().splitlines() if self._book.exists() else []

    def keys(self) -> list[str]:
        """The keys of what was done so far by this process, those of attempts that failed as well."""
        return _keys.setdefault(self._book, [])

    async def do(self, deed: Deed) -> Done:
        self._write(f"do {deed.name}")
        self.keys().append(current_call().key)
        if deed.refused:
            raise ApplicationError("no", type="Refused", non_retryable=True)
        if self.lines().count(f"do {deed.name}") <= deed.fails:
            raise ApplicationError("not yet", type="NotYet")
        await asyncio.sleep(deed.takes)
        while deed.held_by and Path(deed.held_by).exists():  # noqa: ASYNC110, ASYNC240  # another process removes it
            await asyncio.sleep(0.02)
        return Done(on_the_spot=activity.info().is_local)

    async def undo(self, deed: Deed) -> Done:
        self._write(f"undo {deed.name}")
        return Done(on_the_spot=False)

    def _write(self, line: str) -> None:
        with self._book.open("a") as book:
            book.write(line + "\n")


def pools(book: Path) -> list[Pool]:
    """Who does the deeds, and who hosts the task."""
    made = Hands(book)
    return [
        Pool(hands, grace=timedelta(0)).serve(do, made.do).serve(undo, made.undo).serve(far, made.do),
        Pool(work.queue, grace=timedelta(0)).host(work, Work).host(alone, Alone),
    ]


@asynccontextmanager
async def hands_pool() -> AsyncIterator[Pool]:
    """Who does the deeds."""
    yield pools(Path(os.environ[BOOK]))[0]


@asynccontextmanager
async def work_pool() -> AsyncIterator[Pool]:
    """Who hosts the task."""
    yield pools(Path(os.environ[BOOK]))[1]


app = App(
    mesh=Mesh(hands),
    tasks=(work,),
    contracts=("tests",),
    workflows=("tests.inline.hands:Work",),
    pools={name: f"tests.inline.hands:{name}_pool" for name in ("hands", "work")},
)


async def main(address: str) -> None:
    """Host everything until killed."""
    async with hosting(app, inline=True, address=address):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while os.getppid() != 1:  # noqa: ASYNC110  # whatever becomes of the test
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
