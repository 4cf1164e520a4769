"""A progressive ramp: step by step a new version takes over, and is taken back when it does worse than the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from sagamesh.deployments.deployment import Deployment, Routing, Version
from sagamesh.deployments.evidence import CallsSeen, figures_of_tasks
from sagamesh.deployments.judgement import Figures, Judgement, Limits, Verdict, judge
from sagamesh.deployments.patience import passes
from sagamesh.deployments.reader import load_deployment, load_routing
from sagamesh.deployments.routing import (
    check_ready,
    note_rolled_back,
    set_current,
    set_ramp,
    unset_current,
    unset_ramp,
)
from sagamesh.errors import InvalidInput, Refused, SagameshError
from sagamesh.failure import FieldProblem

__all__ = ["CANARY", "Canary", "Ramp", "check_steps", "ramp_out", "steps_left"]

CANARY: Final = "canary-"
"""The ids of canary tasks begin so; they do not count as a version's own."""

_LOOK: Final = 10.0
"""Seconds between two looks at the figures while a step lasts; each may read a hundred histories for an agent."""

_LATE: Final = 1.0
"""Seconds between two looks once the step is over, and too little has ended."""

_BEFORE: Final = timedelta(hours=1)
"""The old version's figures begin so long before the ramp, since it alone had everything until then."""

_DIGITS: Final = 2
"""Of a share: with more of them it would not be read from the server as it was set."""

Canary = Callable[[WorkerDeploymentVersion, str], Awaitable[str]]
"""Runs one task on a version, under this id; returns what is wrong, empty when it succeeded."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """How a version takes over.

    - `steps`: percent, as `check_steps` returns them.
    - `pause`: how long each step lasts at least, the last one too.
    - `patience`: how long a step may wait for `limits.least`; then the version is taken back. A server that does
      not answer is borne as long.
    - `canary`: runs before each step; None for none.
    """

    steps: tuple[float, ...]
    pause: timedelta
    limits: Limits
    patience: timedelta = timedelta(minutes=10)
    canary: Canary | None = None


def check_steps(steps: Sequence[float]) -> tuple[float, ...]:
    """Return the steps with two digits, or refuse them.

    Raises:
        InvalidInput: unless they rise from above 0 to 100.
    """
    exact = tuple(round(step, _DIGITS) for step in steps)
    rising = all(low < high for low, high in zip((0.0, *exact), exact, strict=False))
    if not exact or not rising or exact[-1] != 100:
        problem = f"{','.join(f'{step:g}' for step in steps) or 'nothing'}: they must rise, and end with 100"
        raise InvalidInput("--steps", [FieldProblem(field="", problem=problem)])
    return exact


def steps_left(steps: Sequence[float], percent: float) -> tuple[float, ...]:
    """What is still to do where a ramp has been left at `percent`: that step again, then those above it."""
    return tuple(step for step in steps if step >= percent)


async def ramp_out(client: Client, name: str, build: str, ramp: Ramp, tell: Callable[[str], None]) -> None:
    """Let a version take over, step by step; one that was left in the middle goes on from there.

    At each step a canary must succeed on the new version, then it has its share for the pause, and its figures are
    judged. The first that fails ends the ramp: the version before has everything again, and the reason stays with the
    new one. Where somebody else changes the routing meanwhile, the ramp ends, and that stays.

    - `tell`: hears of each change, one line; also what is left in force where the ramp ends in any other way.

    Raises:
        UnknownName: for a deployment or version that is not there.
        Refused: `RolledBack` with the reason, `NotRolledBack` when that was impossible, `Changed` when somebody else
            has changed the routing; else as `set_ramp`.
        ServerUnreachable: when the server does not answer; the share stays as it is.
    """
    deployment = await load_deployment(client, name)
    check_ready(deployment, build)
    if deployment.current == build:
        tell(f"{build} is current already")
        return
    rollout = _Rollout(client, deployment, build, ramp, tell)
    try:
        await rollout.run()
    except BaseException as error:
        if not isinstance(error, Refused) or error.reason != "RolledBack":
            rollout.tell_left()
        raise


class _Rollout:
    """One ramp under way.

    It remembers the routing as it has read or set it last: where that is another one now, somebody else has decided.
    """

    def __init__(
        self, client: Client, deployment: Deployment, build: str, ramp: Ramp, tell: Callable[[str], None]
    ) -> None:
        self._client = client
        self._name = deployment.name
        self._build = build
        self._ramp = ramp
        self._tell = tell
        self._routing = deployment.routing
        self._old = deployment.current
        self._began = datetime.now(UTC)
        queues = deployment.version(build).queues
        self._calls = CallsSeen(client, queues, self._began, without=CANARY)

    async def run(self) -> None:
        """All steps that are left."""
        build, old = self._build, self._old
        for percent in steps_left(self._ramp.steps, self._routing.share(build)):
            verdict = await self._canary()
            if verdict.judgement is not Judgement.BAD:
                version = await self._step(percent)
                self._tell(f"{build} gets {percent:g} %")
                verdict = await self._watch(version)
            if verdict.judgement is not Judgement.GOOD:
                await self._take_back(verdict.reason)
                raise Refused(
                    "RolledBack",
                    f"{build} was taken back, {old or 'whoever has no version'} has everything: {verdict.reason}",
                )
            self._tell(f"{build} at {percent:g} %: {verdict.reason}")
        self._check(await load_routing(self._client, self._name))
        self._tell(f"{build} is current; {old} drains" if old else f"{build} is current")

    def tell_left(self) -> None:
        """Say what the version keeps, now that nobody watches it any more; nothing when that is nothing."""
        share = self._routing.share(self._build)
        if not share:
            return
        on = "the same command goes on, " if self._routing.ramping == self._build else ""
        back = f"`sagamesh deploy rollback -d {self._name}` takes it back"
        self._tell(f"left as it is: {self._build} gets {share:g} %; {on}{back}")

    def _check(self, found: Routing) -> None:
        if found == self._routing:
            return
        self._routing = found
        raise Refused("Changed", f"somebody else has changed the routing: now {found}; this ramp ends here")

    async def _canary(self) -> Verdict:
        if self._ramp.canary is None:
            return Verdict(Judgement.GOOD, "")
        task_id = f"{CANARY}{self._build}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        problem = await self._ramp.canary(WorkerDeploymentVersion(self._name, self._build), task_id)
        if problem:
            return Verdict(Judgement.BAD, f"canary {task_id} {problem}")
        self._tell(f"canary {task_id} succeeded on {self._build}")
        return Verdict(Judgement.GOOD, "")

    async def _step(self, percent: float) -> Version:
        """Give the version its share."""
        deployment = await load_deployment(self._client, self._name)
        self._check(deployment.routing)
        if percent == 100:
            await set_current(self._client, deployment, self._build)
            self._routing = Routing(self._build, None, 0)
        else:
            wanted = Routing(self._old, self._build, percent)
            if self._routing != wanted:
                await set_ramp(self._client, deployment, self._build, percent)
            self._routing = wanted
        return deployment.version(self._build)

    async def _watch(self, version: Version) -> Verdict:
        """Judge the version for as long as the step lasts; bad figures end it at once."""
        loop = asyncio.get_running_loop()
        start = answered = loop.time()
        pause, silence = self._ramp.pause.total_seconds(), self._ramp.patience.total_seconds()
        patience = max(pause, silence)
        while True:
            try:
                self._check(await load_routing(self._client, self._name))
                verdict = judge(*await self._figures(version), self._ramp.limits)
            except SagameshError as error:
                if not passes(error) or answered + silence <= loop.time():
                    raise
            else:
                answered = loop.time()
                over = start + pause <= answered
                if verdict.judgement is Judgement.BAD or (verdict.judgement is Judgement.GOOD and over):
                    return verdict
                if start + patience <= answered:
                    return Verdict(Judgement.EARLY, f"within {patience:g} s only {verdict.reason}")
            left = start + pause - loop.time()
            await asyncio.sleep(min(left, _LOOK) if left > 0 else _LATE)

    async def _figures(self, version: Version) -> tuple[Figures, Figures]:
        """Those of the old version and the new: of the tasks that they host, else of the calls that they serve."""
        client, build, old = self._client, self._build, self._old
        if not version.hosts_tasks:
            calls = await self._calls.look()
            return calls.get(old or "", Figures()), calls.get(build, Figures())
        new = await figures_of_tasks(client, WorkerDeploymentVersion(self._name, build), self._began, without=CANARY)
        if old is None:
            return Figures(), new
        before = WorkerDeploymentVersion(self._name, old)
        return await figures_of_tasks(client, before, self._began - _BEFORE, without=CANARY), new

    async def _take_back(self, reason: str) -> None:
        client, build = self._client, self._build
        try:
            deployment = await load_deployment(client, self._name)
            self._check(deployment.routing)
            if not self._routing.share(build):
                return  # its canary failed before anybody else was touched
            if self._routing.ramping == build:
                await unset_ramp(client, deployment)
            elif self._old is not None:
                await set_current(client, deployment, self._old)
            else:
                await unset_current(client, deployment)
            await note_rolled_back(client, deployment, build, reason)
        except Refused as error:
            raise Refused("NotRolledBack", f"{build} does badly ({reason}), but was not taken back: {error}") from error
