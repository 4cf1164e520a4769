"""A shop whose agents keep books by key, and a task that may be ended anywhere."""

from __future__ import annotations

from temporalio import workflow

from sagamesh import Agent, Message, Retry, Saga, Task, TaskWorkflow, milliseconds, seconds

MANY = Retry(attempts=3, first=milliseconds(10), most=milliseconds(10))
ONCE = Retry(attempts=1)


class Wanted(Message):
    """What is ordered; `hold` names the place at which the task waits for ever: `before pivot` or `after pivot`."""

    what: str = "it"
    hold: str = ""


class Done(Message):
    """What an agent did."""

    what: str = ""


shop = Agent("shop")
check = shop.capability("check", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)
reserve = shop.capability("reserve", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)
release = shop.capability("release", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=MANY)
charge = shop.capability("charge", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)
refund = shop.capability("refund", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=MANY)
confirm = shop.capability("confirm", takes=Wanted, returns=Done, timeout=seconds(1.5), retry=ONCE)

buy = Task("Buy", takes=Wanted, returns=Done, queue="buys", uses=(shop,), customer="what")


@workflow.defn
class Buy(TaskWorkflow):
    """Checks, reserves, charges unless it is free, confirms."""

    task = buy

    def __init__(self) -> None:
        self._go_on = False

    @workflow.signal
    def go_on(self) -> None:
        """Hold no longer."""
        self._go_on = True

    @workflow.run
    async def run(self, wanted: Wanted) -> Done:
        async with Saga() as saga:
            price = await saga.step(check, wanted)
            await saga.step(reserve, wanted, undo=release)
            if price.what != "free":
                await saga.step(charge, wanted, undo=refund)
            await self._hold(wanted, "before pivot")
            await saga.pivot(confirm, wanted)
            await self._hold(wanted, "after pivot")
        return Done(what=price.what)

    async def _hold(self, wanted: Wanted, place: str) -> None:
        if wanted.hold == place:
            await workflow.wait_condition(lambda: self._go_on)
