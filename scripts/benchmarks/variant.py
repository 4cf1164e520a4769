"""The two ways to run the same order: hand-written on the bare SDK, and through Sagamesh."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from temporalio import client as temporal
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ActivityError, ApplicationError

from benchmarks.bare_activities import ACTIVITIES, ORDERS
from benchmarks.bare_order import BareOrder
from benchmarks.load import Job
from benchmarks.mesh_app import app
from benchmarks.mesh_contracts import order
from benchmarks.models import OrderRequest, OrderResult, expected, request
from benchmarks.processes import BenchFailed, Fleet
from sagamesh import Client
from sagamesh.errors import TaskFailed

__all__ = ["BARE", "MESH", "Run", "Variant", "checked", "mesh_run"]

Run = Callable[[str, OrderRequest], Awaitable[OrderResult]]
"""Starts an order by id and input, and waits for its result."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way: which worker processes it needs, and how a client uses it.

    - `queues`: the queue or pool that each worker process serves.
    """

    name: str
    module: str
    queues: tuple[str, ...]
    connect: Callable[[str], Awaitable[Run]]

    def start(self, fleet: Fleet, address: str, *, label: str = "") -> list[str]:
        """Start its worker processes and return their names in the fleet; `label` tells two sets apart."""
        names = []
        for queue in self.queues:
            name = f"{self.name}{label}:{queue.removeprefix('bare-')}"
            fleet.start_module(name, self.module, queue, address)
            names.append(name)
        return names


async def _bare(address: str) -> Run:
    client = await temporal.Client.connect(address, data_converter=pydantic_data_converter)

    async def run(id: str, request: OrderRequest) -> OrderResult:
        handle = await client.start_workflow(BareOrder.run, request, id=id, task_queue=ORDERS)
        return await handle.result()

    return run


async def _mesh(address: str) -> Run:
    return mesh_run(await temporal.Client.connect(address, plugins=[app.plugin()]))


def mesh_run(connected: temporal.Client) -> Run:
    """Runs orders through Sagamesh, where this client leads."""
    client = Client(connected)

    async def run(id: str, request: OrderRequest) -> OrderResult:
        handle = await client.start(order, request, id=id)
        return await handle.result()

    return run


BARE = Variant("bare", "benchmarks.bare_worker", (ORDERS, *ACTIVITIES), _bare)
MESH = Variant("sagamesh", "benchmarks.mesh_worker", tuple(app.pools), _mesh)


def checked(run: Run, *, declined_every: int = 0) -> Job:
    """Orders of a new batch, each result held against the one that it must have.

    - `declined_every`: every so many an order that must fail as declined and be undone; 0 for none.
    """
    batch = uuid.uuid4().hex[:8]

    async def job(number: int) -> None:
        id = f"{batch}-{number}"
        if declined_every and number % declined_every == 0:
            await _declined(run, id, number)
            return
        result = await run(id, request(number))
        if result != expected(number):
            raise BenchFailed(f"order {id}: {result!r} instead of {expected(number)!r}")

    return job


async def _declined(run: Run, id: str, number: int) -> None:
    try:
        result = await run(id, request(number, declined=True))
    except TaskFailed as error:
        undone = {str(step) for step in error.failure.undone}
        if error.failure.type != "Declined" or undone != {"payment.charge undone", "inventory.reserve undone"}:
            raise BenchFailed(f"order {id} should be declined and undone, but: {error.failure}") from error
    except temporal.WorkflowFailureError as error:
        cause = error.cause.cause if isinstance(error.cause, ActivityError) else None
        if not isinstance(cause, ApplicationError) or cause.type != "Declined":
            raise BenchFailed(f"order {id} should be declined, but: {error.cause}") from error
    else:
        raise BenchFailed(f"order {id} should be declined, but: {result!r}")
