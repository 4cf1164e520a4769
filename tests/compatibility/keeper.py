"""One agent as catalogues of different ages know it, and tasks that were built against one of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from temporalio import workflow

from sagamesh import (
    Agent,
    Breaker,
    Capability,
    Degradable,
    Message,
    Pool,
    Retry,
    Saga,
    Task,
    TaskWorkflow,
    current_call,
    fallback,
    hours,
    milliseconds,
    seconds,
)

__all__ = ["CATALOGUES", "SHELVES", "Books", "Foreign", "Keeping", "Kept", "Wish", "keeping"]


class Wish(Message):
    """What to keep, by a caller that knows `version`; `ask`: somebody must approve it afterwards."""

    version: str
    call: str = "put"
    undo: bool = False
    ask: bool = False


class Kept(Degradable):
    """It is kept; by which version."""

    by: str


def _keeper(version: str) -> Agent:
    keeper = Agent("keeper", version=version)
    twice = Retry(attempts=2, first=milliseconds(10))
    for name, retry, inline in (("put", twice, True), ("take", Retry(attempts=1), False), ("hold", Retry(), False)):
        keeper.capability(name, takes=Wish, returns=Kept, retry=retry, inline=inline)
    fragile = Breaker(failures=1, recovery=hours(1))
    keeper.capability("fragile", takes=Wish, returns=Kept, retry=twice, breaker=fragile)
    return keeper


def _shelf(version: str) -> Agent:
    """An agent whose callers fall back on what it answered before."""
    shelf = Agent("shelf", version=version)
    shelf.capability(
        "look",
        takes=Wish,
        returns=Kept,
        retry=Retry(attempts=1),
        queue_timeout=milliseconds(200),
        fallback=fallback.Kept(),
    )
    return shelf


SHELVES: Final = {version: _shelf(version) for version in ("1.4.0", "2.0.0")}
CATALOGUES: Final = {version: _keeper(version) for version in ("1.3.0", "1.4.0", "1.5.0", "2.0.0", "blue")}

keeping = Task("Keeping", takes=Wish, returns=Kept, queue="keeping", uses=(CATALOGUES["1.4.0"],))


@workflow.defn(name=keeping.name)
class Keeping(TaskWorkflow):
    """Keeps one thing."""

    task = keeping

    @workflow.run
    async def run(self, wish: Wish) -> Kept:
        """Keep it, or undo that."""
        known = (SHELVES if wish.call == "look" else CATALOGUES)[wish.version]
        call: Capability[Wish, Kept] = known.find(wish.call)
        async with Saga() as saga:
            kept = await saga.step(call, wish, undo=known.find("take") if wish.undo else None)
            if wish.ask:
                await saga.approval("Keep it?", within=timedelta(hours=1))
        return kept


@workflow.defn
class Foreign:
    """What another SDK does: a call by name, with JSON."""

    @workflow.run
    async def run(self, wish: dict[str, Any]) -> Any:
        """Call it."""
        return await workflow.execute_activity(
            "keeper.put", wish, task_queue="keeper", start_to_close_timeout=seconds(10)
        )


class Books:
    """What was done, for all versions of the agent."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def pool(self, version: str) -> Pool:
        """A worker that serves this version."""

        async def serve(wish: Wish) -> Kept:
            self.done.append(("undo " if current_call().undo else "") + wish.call)
            return Kept(by=version)

        agent = CATALOGUES[version]
        pool = Pool(agent, grace=timedelta(0))
        for capability in agent.capabilities.values():
            pool.serve(capability, serve)
        return pool
