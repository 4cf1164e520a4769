"""Agents of tests: what they do for one task is written down by the test that starts the task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from sagamesh import Agent, Capability, current_call
from sagamesh.testing import Fakes

__all__ = ["Act", "Cast", "Gate", "Script"]

PATIENCE = 60
"""Seconds after which a test that waits for something has failed. Far more than anything takes."""


class Gate:
    """Holds a call at one point, so that a test acts at exactly that moment."""

    def __init__(self) -> None:
        self._reached = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self) -> None:
        """Called by the agent: wait until the test opens the gate."""
        self._reached.set()
        await self._open.wait()

    async def reached(self) -> None:
        """Called by the test: wait until a call stands here."""
        async with asyncio.timeout(PATIENCE):
            await self._reached.wait()

    def open(self) -> None:
        """Let the call go on, and every later one pass."""
        self._open.set()


@dataclass(frozen=True)
class Act:
    """One attempt of a call: it begins, takes effect, and answers.

    - `answer`: a result, an error, or a function of the input; None for the capability's usual result.
    - `effect`: whether it changes the world.
    - `before`, `after`: awaited before and after the effect.
    """

    answer: BaseModel | Exception | Callable[[Any], BaseModel] | None = None
    effect: bool = True
    before: Callable[[], Awaitable[object]] | None = None
    after: Callable[[], Awaitable[object]] | None = None


@dataclass
class Script:
    """What the agents do for one task, and what they did.

    - `log`: a line for every beginning (`inventory.reserve begins`), effect (`... happens`) and end (`... ends`) of an
      attempt; an undo stands there by its own capability.
    - `standing`: the steps whose effect happened and was not undone.
    - `keys`: of each attempt that began.
    - `races`: each moment at which a step and its undo ran at once, or an effect came after its undo.
    """

    usual: Mapping[str, Callable[[Any], BaseModel]]
    acts: dict[str, list[Act]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    races: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    failures_of_undos: int = 0
    _running: dict[str, list[str]] = field(default_factory=dict)
    _undone: set[str] = field(default_factory=set)

    def on(self, capability: Capability[Any, Any], *acts: Act | Exception | BaseModel) -> Script:
        """Say what the attempts of a capability do, one after the other; the last for ever. An error has no effect."""
        self.acts[capability.type] = [_act(act) for act in acts]
        return self

    @property
    def order(self) -> list[str]:
        """The capabilities whose attempts began, in order."""
        return [line.removesuffix(" begins") for line in self.log if line.endswith(" begins")]

    @property
    def happened(self) -> list[str]:
        """The effects, in order."""
        return [line.removesuffix(" happens") for line in self.log if line.endswith(" happens")]

    async def play(self, name: str, arg: BaseModel) -> BaseModel:
        """Serve one attempt."""
        call = current_call()
        step = call.key.rpartition("/")[2]
        acts = self.acts.get(name)
        act = (acts.pop(0) if len(acts) > 1 else acts[0]) if acts else Act()
        running = self._running.setdefault(step, [])
        if running:
            self.races.append(f"{name} begins while {running} runs")
        running.append(name)
        self.log.append(f"{name} begins")
        self.keys.append(call.key)
        try:
            if act.before is not None:
                await act.before()
            if act.effect:
                self._happen(name, step, undo=call.undo)
            if act.after is not None:
                await act.after()
            answer = act.answer
            if isinstance(answer, Exception):
                self.failures_of_undos += call.undo
                raise answer
            if answer is None:
                answer = self.usual[name]
            return answer(arg) if callable(answer) else answer
        finally:
            running.remove(name)
            self.log.append(f"{name} ends")

    def _happen(self, name: str, step: str, *, undo: bool) -> None:
        self.log.append(f"{name} happens")
        if undo:
            self._undone.add(step)
            if step in self.standing:
                self.standing.remove(step)
            return
        if step in self._undone:
            self.races.append(f"{name} happens after it was undone")
        if step not in self.standing:
            self.standing.append(step)


class Cast:
    """The faked agents, and the scripts by which they play, one for each task."""

    def __init__(
        self, agents: Iterable[Agent], usual: Mapping[Capability[Any, Any], Callable[[Any], BaseModel]]
    ) -> None:
        agents = tuple(agents)
        self.fakes = Fakes(*agents)
        self._usual = {capability.type: answer for capability, answer in usual.items()}
        self._scripts: dict[str, Script] = {}
        for agent in agents:
            for capability in agent.capabilities.values():
                self.fakes.on(capability, self._player(capability.type))

    def script(self, task_id: str) -> Script:
        """The script of a task, empty at first: every call answers as usual."""
        return self._scripts.setdefault(task_id, Script(self._usual))

    def _player(self, name: str) -> Callable[[BaseModel], Awaitable[BaseModel]]:
        async def play(arg: BaseModel) -> BaseModel:
            return await self.script(current_call().task_id).play(name, arg)

        return play


def _act(answer: Act | BaseModel | Exception) -> Act:
    return answer if isinstance(answer, Act) else Act(answer, effect=not isinstance(answer, Exception))
