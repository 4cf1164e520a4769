"""The reference application's embedded stack under load: its real agents, its gateway, its mailbox, its books."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from temporalio import client as temporal

from benchmarks.load import Job
from benchmarks.processes import BenchFailed, Fleet
from mesh_agents.order import OrderRequest, order
from mesh_workers import app
from mesh_workers.books_check import EndedOrder, Sources, check_books
from mesh_workers.seed import one_line
from sagamesh import Client
from sagamesh.errors import TaskFailed
from sagamesh.load.check import pool_environment
from sagamesh.stack.place import Place
from sagamesh.stack.state import Phase, StackState, load

__all__ = ["Shop"]

_START = 120.0
"""Seconds within which the stack must be ready."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An order, and how it must end: `completed`, or the type of its failure."""

    request: OrderRequest
    ending: str


_KINDS = (
    Kind(one_line("book", 1, "12.50"), "completed"),
    Kind(one_line("lamp", 1, "39.90"), "completed"),
    Kind(one_line("desk", 1, "399.00"), "completed"),
    Kind(one_line("book", 2, "12.50"), "completed"),
    Kind(one_line("lamp", 2, "39.90"), "completed"),
    Kind(one_line("violin", 7, "10.00"), "OutOfStock"),
    Kind(one_line("book", 1, "12.50", pay="pm_card_chargeDeclined"), "Declined"),
    Kind(one_line("book", 1, "12.50", customer="mallory"), "UserBlocked"),
    Kind(one_line("lamp", 1, "39.90", customer="grace"), "completed"),
    Kind(one_line("book", 3, "12.50"), "completed"),
)
"""Seven good orders of ten, and one of each kind that is refused."""


class Shop:
    """A running stack and the orders that were sent to it."""

    def __init__(self, state: StackState, client: Client, *, inline: bool, idle: bool) -> None:
        self._inline = inline
        self._kinds = _KINDS[:1] if idle else _KINDS
        self._state = state
        self._client = client
        self._batch = uuid.uuid4().hex[:8]
        self._ended: list[EndedOrder] = []

    @classmethod
    async def open(
        cls, fleet: Fleet, folder: Path, *, name: str = "stack", inline: bool = False, idle: bool = False
    ) -> Shop:
        """Start the stack in a folder of its own, and wait until it is ready.

        - `name`: what it is called in the fleet; `inline`: whether it hosts the orders inline.
        - `idle`: with agents that do nothing, and therefore no order that must fail.

        Raises:
            BenchFailed: when it is not.
        """
        place = Place(root=Path.cwd(), folder=folder / name)
        command = [sys.executable, "-m", "sagamesh", "up", "--port", "0", *(["--inline"] if inline else [])]
        environment = {**place.environment(), "TEMPORAL_CONFIG_FILE": os.devnull}
        if idle:
            environment |= {"SAGAMESH_APP": "benchmarks.idle_shop:app", "PYTHONPATH": "scripts"}
        fleet.start(name, command, environment)
        deadline = time.monotonic() + _START
        while (state := load(place)) is None or state.phase is not Phase.READY:
            fleet.check()
            if time.monotonic() > deadline:
                raise BenchFailed(f"the stack is not ready after {_START:.0f} s")
            await asyncio.sleep(0.2)
        client = Client(await temporal.Client.connect(state.address, plugins=[app.plugin()]))
        return cls(state, client, inline=inline, idle=idle)

    @property
    def pools(self) -> dict[str, int]:
        """The process id of each pool, by its name."""
        return {part.name: part.process.pid for part in self._state.parts if part.kind == "pool" and part.process}

    @property
    def address(self) -> str:
        """Where its server is."""
        return self._state.address

    def job(self, client: Client | None = None) -> Job:
        """Orders of all kinds in turn, each ending held against the one that it must have.

        - `client`: who starts them; default a client of the bench's own.
        """
        starter = client or self._client

        async def job(number: int) -> None:
            kind = self._kinds[number % len(self._kinds)]
            id = f"{self._batch}-{number}"
            handle = await starter.start(order, kind.request, id=id, inline=self._inline)
            try:
                result = await handle.result()
                ending, notified = "completed", result.notified
            except TaskFailed as error:
                ending, notified = error.failure.type, False
            if ending != kind.ending:
                raise BenchFailed(f"order {id} should end as {kind.ending}, not {ending}")
            self._ended.append(EndedOrder(id, kind.request, ending == "completed", notified))

        return job

    @property
    def processes(self) -> list[int]:
        """The process ids of all its parts."""
        return [part.process.pid for part in self._state.parts if part.process]

    async def check_books(self) -> None:
        """Hold every order against the books of gateway, stock and mailbox.

        Raises:
            BenchFailed: with what does not fit.
        """
        found = await check_books(self._ended, Sources.of(pool_environment(self._state)))
        if found.violations:
            raise BenchFailed("the books do not agree:\n" + "\n".join(found.violations[:20]))
