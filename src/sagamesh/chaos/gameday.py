"""A game day: a load, the faults of a schedule under it, the recovery after them, and the proof."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sagamesh.app import App
from sagamesh.chaos.effects import Effects, pass_time
from sagamesh.chaos.schedule import Fault, Schedule
from sagamesh.chaos.stack import OwnStack
from sagamesh.load.check import violations
from sagamesh.load.generator import Generator
from sagamesh.load.group import first_of
from sagamesh.load.record import Record
from sagamesh.load.report import Report
from sagamesh.load.sender import Sender
from sagamesh.load.tally import Tally

__all__ = ["PROBES", "Done", "GameDay", "Outcome"]

PROBES: Final = range(1_000_000_000, 1_000_000_010)
"""Numbers in the deck of the fresh tasks after the last fault: each must reach its right end. No load gets there."""

_STACK_BACK: Final = 60.0
"""Seconds within which every part must be ready again before the books are read."""


@dataclass(frozen=True, slots=True)
class Done:
    """A fault whose turn came `at` seconds after the beginning; its `note` says what is missing of it."""

    at: float
    fault: Fault
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a game day came to.

    - `applied`: how many of the `planned` faults were, for their whole time.
    - `stopped`: whether somebody ended it before the last fault was over.
    - `recovery`: seconds from the end of the last fault until the probes and all that was under way had their ends.
    - `within`: what it may be at most.
    - `probes`: how many of the `asked` fresh tasks after the last fault reached their right end.
    - `violations`: everything that is wrong; empty when the stack held.
    """

    schedule: Schedule
    done: tuple[Done, ...]
    planned: int
    applied: int
    stopped: bool
    load: Report
    recovery: float
    within: float
    probes: int
    asked: int
    violations: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, and all was done that this says something about."""
        return not self.violations and not self.stopped


class GameDay:
    """Runs one.

    - `observe`: told about each fault as it begins.
    """

    def __init__(
        self,
        app: App,
        stack: OwnStack,
        schedule: Schedule,
        sender: Sender,
        generator: Generator,
        record: Record,
        *,
        prefix: str,
        within: float,
        observe: Callable[[Fault], None],
    ) -> None:
        self._app = app
        self._stack = stack
        self._schedule = schedule
        self._deck = record.deck
        self._sender = sender
        self._generator = generator
        self._record = record
        self._prefix = prefix
        self._within = within
        self._observe = observe
        self._over = asyncio.Event()
        self._done: list[Done] = []

    def stop(self) -> None:
        """End the faults and the load; recovery and proof follow."""
        self._over.set()

    async def run(self) -> Outcome:
        """The whole day.

        Raises:
            Refused: `MissingSearchAttributes` when the server takes no tasks at all.
        """
        with Effects(self._app, self._stack, seed=self._schedule.seed) as effects:
            load = asyncio.create_task(self._generator.run())
            faults = asyncio.create_task(self._faults(effects))
            try:
                await asyncio.wait({load, faults}, return_when=asyncio.FIRST_COMPLETED)
                if load.done():
                    load.result()  # what ended it
                await faults
                last = time.monotonic()
                stopped = self._over.is_set()
                self._generator.stop(early=stopped)
                probes, _ = await asyncio.gather(self._probes(), load)
                recovery = time.monotonic() - last
            finally:
                for task in (load, faults):
                    task.cancel()
                await asyncio.gather(load, faults, return_exceptions=True)
        wrong = [str(mismatch) for tally in (self._generator.tally, probes) for mismatch in tally.mismatches]
        unseen = self._generator.tally.wrong + probes.wrong - len(wrong)
        if unseen:
            wrong.append(f"{unseen:,} more tasks ended in another way than they should")
        if recovery > self._within:
            wrong.append(f"recovery took {recovery:.1f} s, more than {self._within:g} s")
        applied = sum(not done.note for done in self._done)
        if not applied and not stopped:
            wrong.append("no fault was applied, so nothing was put to the proof")
        wrong += await self._proof()
        return Outcome(
            schedule=self._schedule,
            done=tuple(self._done),
            planned=len(self._schedule.faults),
            applied=applied,
            stopped=stopped,
            load=Report.of(
                self._generator, task=self._deck.task.name, prefix=self._prefix, seed=self._deck.seed, violations=None
            ),
            recovery=recovery,
            within=self._within,
            probes=len(PROBES) - probes.wrong,
            asked=len(PROBES),
            violations=tuple(wrong),
        )

    async def _faults(self, effects: Effects) -> None:
        began = time.monotonic()

        async def one(fault: Fault) -> None:
            at = time.monotonic() - began
            self._observe(fault)
            note = await effects.apply(fault, self._over)
            if not note and fault.seconds and self._over.is_set():
                note = "cut short"
            self._done.append(Done(round(at, 1), fault, note))

        try:
            async with asyncio.TaskGroup() as running:
                for fault in self._schedule.faults:
                    await pass_time(began + fault.at - time.monotonic(), self._over)
                    if self._over.is_set():
                        return
                    running.create_task(one(fault))
        except BaseExceptionGroup as group:
            raise first_of(group) from None

    async def _probes(self) -> Tally:
        tally = Tally()

        await asyncio.gather(
            *(
                self._generator.send(n, f"{self._prefix}-probe-{place}", time.monotonic(), tally)
                for place, n in enumerate(PROBES)
            )
        )
        return tally

    async def _proof(self) -> Sequence[str]:
        deadline = time.monotonic() + _STACK_BACK
        while not self._stack.ready:
            if time.monotonic() > deadline:
                return [f"not every part of the stack is ready {_STACK_BACK:g} s after the recovery"]
            await asyncio.sleep(0.2)
        return await violations(self._app, self._record, self._stack.environment)
