"""An agent in two zones, one that has a capability of the same short name, and tasks that route to them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import workflow

from sagamesh import Agent, App, Mesh, Message, Retry, Saga, Task, TaskWorkflow, milliseconds, seconds
from sagamesh.routing import Decision, Need, central, gather_parts, negotiated, route


class Goods(Message):
    """So many of one thing."""

    sku: str
    quantity: int = 1


class Crate(Message):
    """What another agent's capability of the same short name takes."""

    crate: str


class Empty(Message):
    """Nothing."""


class Taken(Message):
    """Where it was taken, under which key."""

    where: str
    key: str = ""


class Asked(Message):
    """What the routed task is asked."""

    need: Need
    wait_seconds: float = 0.0
    fails: bool = False


_RETRY = Retry(attempts=3, first=milliseconds(50), most=milliseconds(50))
depot = Agent("depot", tags=["cold"])
reserve = depot.capability("reserve", takes=Goods, returns=Taken, timeout=seconds(2), retry=_RETRY)
release = depot.capability("release", takes=Goods, returns=Taken, timeout=seconds(2), retry=_RETRY)
count = depot.capability("count", takes=Empty, returns=Taken, timeout=seconds(2), queue_timeout=seconds(1))
EU = depot.in_zone("eu", cost=2)
US = depot.in_zone("us", tags=["big"], cost=1)
ASIA = depot.in_zone("asia")
MOON = depot.in_zone("moon")
shed = Agent("shed", version="2.1.0")
shed_reserve = shed.capability("reserve", takes=Goods, returns=Taken, timeout=seconds(2), scopes=["shed:use"])

barn = Agent("barn")
barn_reserve = barn.capability("reserve", takes=Crate, returns=Taken, timeout=seconds(2))

mesh = Mesh(EU, US, ASIA, MOON, shed, barn)

routed = Task("Routed", takes=Asked, returns=Taken, queue="routed-tests", uses=(depot,))


@workflow.defn(name=routed.name)
class Routed(TaskWorkflow):
    """Reserves in the zone that routing chose; fails after that where it is asked to."""

    task = routed

    def __init__(self) -> None:
        self.decision: Decision | None = None

    @workflow.query
    def decided(self) -> Any:
        """The decision."""
        return None if self.decision is None else self.decision.model_dump(mode="json")

    @workflow.run
    async def run(self, asked: Asked) -> Taken:
        """Route, reserve, and where asked fail."""
        where = self.decision = await route(asked.need, wait=timedelta(seconds=asked.wait_seconds))
        goods = Goods(sku="book")
        async with Saga() as saga:
            taken = await saga.step(where.on(reserve), goods, undo=where.on(release))
            if asked.fails:
                await saga.step(where.on(reserve), Goods(sku="none"))
        return taken


class Zones(Message):
    """Which zones are asked."""

    zones: tuple[str, ...]
    sku: str


class Counted(Message):
    """What they answered."""

    complete: bool
    results: tuple[str, ...]
    failures: tuple[str, ...]


counted = Task("Counted", takes=Zones, returns=Counted, queue="routed-tests", uses=(depot,))


@workflow.defn(name=counted.name)
class Count(TaskWorkflow):
    """Asks each zone."""

    task = counted

    @workflow.run
    async def run(self, asked: Zones) -> Counted:
        """Ask all, side by side."""
        parts = await gather_parts([count.in_zone(zone) for zone in asked.zones], Empty())
        return Counted(
            complete=parts.complete,
            results=tuple(answer.where for answer in parts.results),
            failures=tuple(f"{part.queue}: {part.failure}" for part in parts.failures),
        )


app = App(
    mesh=mesh,
    tasks=(routed, counted, central, negotiated),
    contracts=("tests",),
    pools={agent.queue: "tests.support.zones:nothing" for agent in mesh.agents},
)
