"""A catalog with a provider, a second one, and what to say when neither answers; and a task that looks something up."""

from __future__ import annotations

from temporalio import workflow

from sagamesh import Agent, Breaker, Message, Saga, Task, TaskWorkflow, milliseconds, minutes, seconds
from sagamesh.degraded import Degradable
from sagamesh.fallback import Default, Kept
from sagamesh.policy import Retry

__all__ = [
    "LookUp",
    "LookUpAlone",
    "NotUndone",
    "Price",
    "Wanted",
    "backup",
    "catalog",
    "guarded",
    "look_up",
    "look_up_alone",
    "mirror",
    "not_undone",
    "plain",
    "price",
]


class Wanted(Message):
    """What is looked up."""

    sku: str


class Price(Degradable):
    """What it costs."""

    cents: int


_ONCE = Retry(attempts=1)

mirror = Agent("mirror")
backup = mirror.capability("price", takes=Wanted, returns=Price, retry=_ONCE, queue_timeout=seconds(1))

catalog = Agent("catalog")
price = catalog.capability(
    "price",
    takes=Wanted,
    returns=Price,
    timeout=seconds(5),
    queue_timeout=seconds(1),
    retry=Retry(attempts=2, first=milliseconds(10)),
    fallback=[backup, Kept(), Default(Price(cents=0))],
)
guarded = catalog.capability(
    "guarded",
    takes=Wanted,
    returns=Price,
    retry=Retry(attempts=5, first=milliseconds(10)),
    breaker=Breaker(failures=3, recovery=minutes(10), key="shelf"),
    fallback=Default(Price(cents=0)),
)
plain = catalog.capability("plain", takes=Wanted, returns=Price, retry=_ONCE, fallback=backup)


class Found(Message):
    """What was found, and what the step's status says of it."""

    price: Price
    shown: str


look_up_alone = Task("LookUpAlone", takes=Wanted, returns=Price, queue="lookups", uses=(catalog, mirror))
look_up = Task("LookUp", takes=Wanted, returns=Found, queue="lookups", uses=(catalog, mirror))
not_undone = Task("NotUndone", takes=Wanted, returns=Found, queue="lookups", uses=(catalog, mirror))


@workflow.defn(name=look_up.name)
class LookUp(TaskWorkflow):
    """Looks up a price; the first word of a SKU may name the capability."""

    task = look_up

    @workflow.run
    async def run(self, wanted: Wanted) -> Found:
        """The price, and how it was come by."""
        async with Saga() as saga:
            capability = {"plain": plain, "guarded": guarded}.get(wanted.sku.partition(" ")[0], price)
            found = await saga.step(capability, wanted)
        [step] = self.board.status().steps
        return Found(price=found, shown=str(step.degraded or ""))


@workflow.defn(name=look_up_alone.name)
class LookUpAlone(TaskWorkflow):
    """Looks up a price without a saga."""

    task = look_up_alone

    @workflow.run
    async def run(self, wanted: Wanted) -> Price:
        """The price."""
        return await price(wanted)


@workflow.defn(name=not_undone.name)
class NotUndone(TaskWorkflow):
    """Names an undo that would fall back on something else."""

    task = not_undone

    @workflow.run
    async def run(self, wanted: Wanted) -> Found:
        """Never comes to its step."""
        async with Saga() as saga:
            found = await saga.step(backup, wanted, undo=plain)
        return Found(price=found, shown="")
