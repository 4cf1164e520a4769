"""A progressive ramp: step by step a new version takes over, and is taken back when it does worse than the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from sagamesh.deployments.deployment import Deployment
from sagamesh.deployments.evidence import figures_of_calls, figures_of_tasks
from sagamesh.deployments.judgement import Figures, Judgement, Limits, Verdict, judge
from sagamesh.deployments.reader import load_deployment
from sagamesh.deployments.rollback import roll_back
from sagamesh.deployments.routing import check_ready, note_rolled_back, set_current, set_ramp, unset_current
from sagamesh.errors import InvalidInput, Refused
from sagamesh.failure import FieldProblem

__all__ = ["CANARY", "Canary", "Ramp", "check_steps", "ramp_out", "steps_left"]

CANARY: Final = "canary-"
"""The ids of canary tasks begin so; they do not count as a version's own."""

_LOOK: Final = 10.0
"""Seconds between two looks at the figures while a step lasts; each reads a hundred histories for an agent."""

_LATE: Final = 1.0
"""Seconds between two looks once the step is over, and too little has ended."""

_BEFORE: Final = timedelta(hours=1)
"""The old version's figures begin so long before the ramp, since it alone had everything until then."""

Canary = Callable[[WorkerDeploymentVersion, str], Awaitable[str]]
"""Runs one task on a version, under this id; returns what is wrong, empty when it succeeded."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """How a version takes over.

    - `steps`: percent, rising, the last one 100.
    - `pause`: how long each step lasts at least, the last one too.
    - `patience`: how long a step may wait for `limits.least`; then the version is taken back.
    - `canary`: runs before each step; None for none.
    """

    steps: tuple[float, ...]
    pause: timedelta
    limits: Limits
    patience: timedelta = timedelta(minutes=10)
    canary: Canary | None = None


def check_steps(steps: Sequence[float]) -> tuple[float, ...]:
    """Return the steps, or refuse them.

    Raises:
        InvalidInput: unless they rise from above 0 to 100.
    """
    rising = all(low < high for low, high in zip((0.0, *steps), steps, strict=False))
    if not steps or not rising or steps[-1] != 100:
        problem = f"{','.join(f'{step:g}' for step in steps) or 'nothing'}: they must rise, and end with 100"
        raise InvalidInput("--steps", [FieldProblem(field="", problem=problem)])
    return tuple(steps)


def steps_left(steps: Sequence[float], percent: float) -> tuple[float, ...]:
    """What is still to do where a ramp has been left at `percent`: that step again, then those above it."""
    return tuple(step for step in steps if step >= percent)


async def ramp_out(client: Client, name: str, build: str, ramp: Ramp, tell: Callable[[str], None]) -> None:
    """Let a version take over, step by step; one that was left in the middle goes on from there.

    At each step a canary must succeed on the new version, then it has its share for the pause, and its figures are
    judged. The first that fails ends the ramp: the version before has everything again, and the reason stays with the
    new one.

    - `tell`: hears of each change, one line.

    Raises:
        UnknownName: for a deployment or version that is not there.
        Refused: `RolledBack` with the reason, `NotRolledBack` when that was impossible; else as `set_ramp`.
        ServerUnreachable: when the server does not answer; the share stays as it is.
    """
    deployment = await load_deployment(client, name)
    check_ready(deployment, build)
    if deployment.current == build:
        tell(f"{build} is current already")
        return
    old, began = deployment.current, datetime.now(UTC)
    for percent in steps_left(ramp.steps, deployment.percent if deployment.ramping == build else 0):
        verdict = await _canary(client, deployment, build, ramp.canary, tell)
        if verdict.judgement is not Judgement.BAD:
            deployment = await _step(client, name, build, old, percent)
            tell(f"{build} gets {percent:g} %")
            verdict = await _watch(client, deployment, build, old, ramp, began)
        if verdict.judgement is not Judgement.GOOD:
            await _take_back(client, name, build, old, verdict.reason)
            raise Refused(
                "RolledBack",
                f"{build} was taken back, {old or 'whoever has no version'} has everything: {verdict.reason}",
            )
        tell(f"{build} at {percent:g} %: {verdict.reason}")
    tell(f"{build} is current; {old} drains" if old else f"{build} is current")


async def _canary(
    client: Client, deployment: Deployment, build: str, canary: Canary | None, tell: Callable[[str], None]
) -> Verdict:
    if canary is None:
        return Verdict(Judgement.GOOD, "")
    task_id = f"{CANARY}{build}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    problem = await canary(WorkerDeploymentVersion(deployment.name, build), task_id)
    if problem:
        return Verdict(Judgement.BAD, f"canary {task_id} {problem}")
    tell(f"canary {task_id} succeeded on {build}")
    return Verdict(Judgement.GOOD, "")


async def _step(client: Client, name: str, build: str, old: str | None, percent: float) -> Deployment:
    """Give the version its share, unless somebody else has meanwhile decided otherwise."""
    deployment = await load_deployment(client, name)
    if deployment.current != old:
        raise Refused("Changed", f"{deployment.current} has become current meanwhile: this ramp ends here")
    if percent == 100:
        await set_current(client, deployment, build)
    elif (deployment.ramping, deployment.percent) != (build, percent):
        await set_ramp(client, deployment, build, percent)
    return deployment


async def _watch(
    client: Client, deployment: Deployment, build: str, old: str | None, ramp: Ramp, began: datetime
) -> Verdict:
    """Judge the version for as long as the step lasts; bad figures end it at once."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    pause, patience = ramp.pause.total_seconds(), max(ramp.patience, ramp.pause).total_seconds()
    while True:
        verdict = judge(*await _figures(client, deployment, build, old, began), ramp.limits)
        left = start + pause - loop.time()
        if verdict.judgement is Judgement.BAD or (verdict.judgement is Judgement.GOOD and left <= 0):
            return verdict
        if start + patience <= loop.time():
            return Verdict(Judgement.EARLY, f"within {patience:g} s only {verdict.reason}")
        await asyncio.sleep(min(left, _LOOK) if left > 0 else _LATE)


async def _figures(
    client: Client, deployment: Deployment, build: str, old: str | None, began: datetime
) -> tuple[Figures, Figures]:
    """The figures of the old version and the new: of the tasks that they host, else of the calls that they serve."""
    version = deployment.version(build)
    if not version.hosts_tasks:
        calls = await figures_of_calls(client, version.queues, began, without=CANARY)
        return calls.get(old or "", Figures()), calls.get(build, Figures())
    new = await figures_of_tasks(client, WorkerDeploymentVersion(deployment.name, build), began, without=CANARY)
    if old is None:
        return Figures(), new
    before = WorkerDeploymentVersion(deployment.name, old)
    return await figures_of_tasks(client, before, began - _BEFORE, without=CANARY), new


async def _take_back(client: Client, name: str, build: str, old: str | None, reason: str) -> None:
    deployment = await load_deployment(client, name)
    try:
        if deployment.ramping == build:
            await roll_back(client, name, reason)
        elif deployment.current == build and old is not None:
            await roll_back(client, name, reason, to=old)
        elif deployment.current == build:
            await unset_current(client, deployment)
            await note_rolled_back(client, deployment, build, reason)
    except Refused as error:
        raise Refused("NotRolledBack", f"{build} does badly ({reason}), but cannot be taken back: {error}") from error
