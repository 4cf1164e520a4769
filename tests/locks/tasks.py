"""Tasks that share something which only one at a time may touch."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from sagamesh import Agent, Message, Retry, Saga, Task, TaskWorkflow, seconds
from sagamesh.locks import Held, LockLost, LockTimeout, leadership, lock

ONCE = Retry(attempts=1)


class Turn(Message):
    """What a task does with the lock."""

    name: str = "it"
    lease_seconds: float = 30
    wait_seconds: float | None = 60
    hold: bool = False
    hold_seconds: float = 0
    renewals: int = 0
    times: int = 1
    saga: bool = False


class Entry(Message):
    """A task in the place that the lock protects."""

    who: str
    fence: int


class Seen(Message):
    """What an agent or a task saw."""

    fences: tuple[int, ...] = ()
    note: str = ""


place = Agent("place")
enter = place.capability("enter", takes=Entry, returns=Seen, timeout=seconds(20), retry=ONCE)
leave = place.capability("leave", takes=Entry, returns=Seen, timeout=seconds(20), retry=ONCE)
visit = place.capability("visit", takes=Entry, returns=Seen, timeout=seconds(20), retry=ONCE)


def task(name: str) -> Task[Turn, Seen]:
    """A task of these tests."""
    return Task(name, takes=Turn, returns=Seen, queue="turns", uses=(place,))


def entry_of(held: Held) -> Entry:
    """What this task says of itself where the lock holds."""
    return Entry(who=workflow.info().workflow_id, fence=held.fence)


def wait_of(turn: Turn) -> timedelta | None:
    """As a duration."""
    return None if turn.wait_seconds is None else seconds(turn.wait_seconds)


@workflow.defn
class Visit(TaskWorkflow):
    """Takes the lock, enters, leaves; as often as asked."""

    task = task("Visit")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        fences = []
        for _ in range(turn.times):
            async with lock(turn.name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)) as held:
                await visit(entry_of(held))
            fences.append(held.fence)
        return Seen(fences=tuple(fences))


@workflow.defn
class Holds(TaskWorkflow):
    """Takes the lock, enters, and holds it for a time or for ever; it may renew it meanwhile."""

    task = task("Holds")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        if turn.saga:
            async with Saga():
                return await self._held(turn)
        return await self._held(turn)

    async def _held(self, turn: Turn) -> Seen:
        async with lock(turn.name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)) as held:
            await enter(entry_of(held))
            for _ in range(turn.renewals):
                await workflow.sleep(turn.hold_seconds)
                await held.renew()
            if turn.hold:
                await workflow.wait_condition(lambda: False)
            await workflow.sleep(turn.hold_seconds)
            note = "lost" if held.lost else "kept"
            try:
                await held.renew()
            except LockLost as lost:
                note += f", {lost.type}"
        return Seen(fences=(held.fence,), note=note)


@workflow.defn
class Undone(TaskWorkflow):
    """Enters in a saga inside the block, and fails: the undo leaves."""

    task = task("Undone")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        async with lock(turn.name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)) as held, Saga() as saga:
            await saga.step(enter, entry_of(held), undo=leave)
            raise ApplicationError("changed its mind", type="Changed", non_retryable=True)


@workflow.defn
class Left(TaskWorkflow):
    """Takes the lock, gives it back, and runs on."""

    task = task("Left")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        async with lock(turn.name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)):
            pass
        await workflow.wait_condition(lambda: False)
        return Seen(note="never stopped")


@workflow.defn
class Impatient(TaskWorkflow):
    """Catches that it was not granted the lock."""

    task = task("Impatient")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        try:
            async with lock(turn.name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)) as held:
                await visit(entry_of(held))
        except LockTimeout as error:
            return Seen(note=str(error.type))
        return Seen(fences=(held.fence,))


@workflow.defn
class Leads(TaskWorkflow):
    """Leads for so many rounds, or until it loses the lead."""

    task = task("Leads")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        async with leadership(turn.name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)) as term:
            await enter(entry_of(term))
            if turn.hold:
                await workflow.wait_condition(lambda: False)
            await workflow.sleep(turn.hold_seconds)
            note = "lost" if term.lost else "kept"
            await leave(entry_of(term))
        return Seen(fences=(term.fence,), note=note)


@workflow.defn
class Both(TaskWorkflow):
    """Takes two locks at once."""

    task = task("Both")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        async def one(name: str) -> int:
            async with lock(name, lease=seconds(turn.lease_seconds), wait=wait_of(turn)) as held:
                await workflow.sleep(0.05)
                return held.fence

        fences = await asyncio.gather(one(f"{turn.name}/a"), one(f"{turn.name}/b"))
        return Seen(fences=tuple(fences))


@workflow.defn
class Again(TaskWorkflow):
    """Takes a lock and gives it back, over and over."""

    task = task("Again")

    @workflow.run
    async def run(self, turn: Turn) -> Seen:
        for _ in range(turn.times):
            async with lock(turn.name, lease=seconds(turn.lease_seconds)):
                pass
        return Seen(note="never stopped")


FLOWS: tuple[type[TaskWorkflow], ...] = (Visit, Holds, Undone, Left, Impatient, Leads, Both, Again)
