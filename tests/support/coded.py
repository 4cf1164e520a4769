"""A task with one call, on queues of its own, for tests that need a client of their own."""

from __future__ import annotations

from temporalio import workflow

from sagamesh import Agent, Message, Saga, Task, TaskWorkflow

__all__ = ["Echo", "Said", "echo", "repeat", "repeater"]


class Said(Message):
    """Something that was said."""

    text: str


repeater = Agent("repeater")
repeat = repeater.capability("repeat", takes=Said, returns=Said)

echo = Task("Echo", takes=Said, returns=Said, queue="echoes", uses=(repeater,))


@workflow.defn(name=echo.name)
class Echo(TaskWorkflow):
    """Has it repeated."""

    task = echo

    @workflow.run
    async def run(self, said: Said) -> Said:
        async with Saga() as saga:
            return await saga.step(repeat, said)
