"""The commands `deploy status|promote|ramp|rollback|retire`: versions of workers, and who gets what is new."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sagamesh.cli import output
from sagamesh.cli.duration import duration

if TYPE_CHECKING:
    from rich.text import Text

    from sagamesh.client import Client
    from sagamesh.deployments.deployment import Deployment, Version
    from sagamesh.deployments.rollout import Canary

__all__ = ["register"]

T = TypeVar("T")

BuildArgument = Annotated[str, typer.Argument(metavar="BUILD", help="The version's build id.")]
DeploymentOption = Annotated[
    str | None,
    typer.Option(
        "--deployment",
        "-d",
        metavar="NAME",
        envvar="TEMPORAL_DEPLOYMENT_NAME",
        show_envvar=False,
        help="The worker deployment; else TEMPORAL_DEPLOYMENT_NAME, or the only one.",
    ),
]

_STYLES = {"current": "green", "ramping": "yellow", "draining": "cyan"}


def register(deploy: typer.Typer) -> None:
    """Add the commands to the group `deploy`."""
    for command in (status, promote, ramp, rollback, retire):
        deploy.command(command.__name__)(command)


def status(deployment: DeploymentOption = None, json: output.JsonOption = False) -> None:
    """Show the versions of workers: which is current, ramping or draining, their workers, and the open tasks on each.

    Exit code 1 when tasks or calls wait because nobody serves the version that they go to.
    """
    from sagamesh.deployments.deployment import troubles
    from sagamesh.deployments.reader import load_deployments

    async def read(client: Client) -> list[Deployment]:
        if deployment is not None:
            return [await _chosen(client, deployment)]
        return await load_deployments(client.temporal)

    found = _asked(read)
    problems = {each.name: troubles(each) for each in found}
    if json:
        output.print_json([{**_fields(each), "troubles": problems[each.name]} for each in found])
    elif not found:
        output.print_text("no versioned workers: TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID make them so")
    else:
        columns = ("deployment", "version", "state", "share", "open tasks", "workers", "")
        rows = [(each.name, *_row(version)) for each in found for version in each.versions]
        output.print_table(columns, rows)
        for each in found:
            for trouble in problems[each.name]:
                output.print_text(f"{each.name}: {trouble.message}\n  {trouble.advice}")
    if any(problems.values()):
        raise typer.Exit(output.TASK_FAILED)


def promote(build: BuildArgument, deployment: DeploymentOption = None, json: output.JsonOption = False) -> None:
    """Let a version have everything that is new, at once; tasks that run finish where they are.

    Refused unless its workers poll every queue that it serves.
    """
    from sagamesh.deployments.routing import set_current

    def said(found: Deployment) -> str:
        return f"{build} is current" + (f"; {found.current} drains" if found.current not in (None, build) else "")

    _change(deployment, lambda client, found: set_current(client.temporal, found, build), said, json)


def ramp(
    build: BuildArgument,
    percent: Annotated[
        float | None, typer.Option(min=0.01, max=99.99, help="Let it have this share, and leave it so.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(metavar="P,P,100", help="Let it take over by these shares, each one judged.")
    ] = None,
    pause: Annotated[str, typer.Option(metavar="T", help="How long each step lasts.")] = "60s",
    canary: Annotated[str | None, typer.Option(metavar="TASK", help="Runs on the version before each step.")] = None,
    input: Annotated[str | None, typer.Option("--input", "-i", metavar="FILE|-", help="The canary's input.")] = None,
    within: Annotated[str, typer.Option(metavar="T", help="The canary's time.")] = "60s",
    least: Annotated[
        int | None, typer.Option(min=0, help="Tasks or calls that must have ended before a step does; else 0 or 10.")
    ] = None,
    patience: Annotated[str, typer.Option(metavar="T", help="How long a step waits for them.")] = "10m",
    errors: Annotated[
        float, typer.Option(min=0, max=100, help="Failures more than the old version's, in percentage points.")
    ] = 5,
    slower: Annotated[float, typer.Option(min=1, help="Times that it may take as long as the old version.")] = 1.5,
    deployment: DeploymentOption = None,
    json: output.JsonOption = False,
) -> None:
    """Let a version have a share of what is new, or take over step by step as long as it does well.

    With --steps: at each step a canary must succeed on it (--canary), then it has the share for the pause, and its
    failures and times are held against the old version's. When one is worse, the version is taken back, the old one has
    everything, and the exit code is 1. Killed in the middle, the same command goes on; `deploy rollback` ends it.
    """
    if (percent is None) is (steps is None):
        raise typer.BadParameter("give --percent, or --steps", param_hint="--percent")
    if percent is not None:
        _to_percent(build, percent, deployment, json)
        return
    if (canary is None) is not (input is None):
        raise typer.BadParameter("a canary needs --canary and --input", param_hint="--canary")
    lasts, waits, runs_for = duration("--pause", pause), duration("--patience", patience), duration("--within", within)
    from sagamesh.deployments.judgement import Limits
    from sagamesh.deployments.rollout import Ramp, check_steps, ramp_out

    needed = least if least is not None else (0 if canary is not None else 10)
    if canary is None and not needed:
        raise typer.BadParameter("without a canary something must have ended to judge by", param_hint="--least")
    wanted = check_steps([_percent(step) for step in (steps or "").split(",")])
    runs = None if canary is None else _canary(canary, input or "", runs_for)

    async def out(client: Client) -> Deployment:
        limits = Limits(least=needed, errors=errors / 100, slower=slower)
        chosen_ramp = Ramp(wanted, lasts, limits, waits, None if runs is None else runs(client))
        name = (await _chosen(client, deployment)).name
        await ramp_out(client.temporal, name, build, chosen_ramp, _say)
        return await _chosen(client, name)

    after = _asked(out)
    if json:
        output.print_json(_fields(after))


def rollback(
    to: Annotated[str | None, typer.Option("--to", metavar="BUILD", help="This version, not the one before.")] = None,
    reason: Annotated[str, typer.Option(help="Why; it stays with the version that is taken back.")] = "",
    deployment: DeploymentOption = None,
    json: output.JsonOption = False,
) -> None:
    """Take back the version that is ramping, or else the current one. Repeated, it changes nothing more.

    Tasks that have begun on it stay there; `deploy status` counts them.
    """
    from sagamesh.deployments.rollback import Plan, roll_back

    async def back(client: Client) -> tuple[Plan, Deployment]:
        name = (await _chosen(client, deployment)).name
        why = reason or f"by {output.user() or 'somebody'}"
        done = await roll_back(client.temporal, name, why, to=to)
        return done, await _chosen(client, name)

    done, after = _asked(back)
    if json:
        output.print_json(_fields(after))
    elif not done.bad:
        output.print_text(f"nothing to take back: {done.good or 'no version'} is current; --to BUILD names another")
    else:
        output.print_text(f"{done.bad} was taken back; {done.good or 'the rest'} has everything")


def retire(build: BuildArgument, deployment: DeploymentOption = None, json: output.JsonOption = False) -> None:
    """Let the server forget a version that is drained and has no workers any more."""
    from sagamesh.deployments.routing import delete

    _change(deployment, lambda client, found: delete(client.temporal, found, build), lambda _: f"{build} is gone", json)


def _to_percent(build: str, percent: float, deployment: str | None, json: bool) -> None:
    from sagamesh.deployments.routing import set_ramp

    def said(found: Deployment) -> str:
        return f"{build} gets {percent:g} %, {found.current or 'unversioned workers'} the rest"

    _change(deployment, lambda client, found: set_ramp(client.temporal, found, build, percent), said, json)


def _canary(name: str, source: str, within: timedelta) -> Callable[[Client], Canary]:
    """Read and check the canary before anything is changed."""
    from sagamesh.app import load_app
    from sagamesh.cli.body import parsed, read
    from sagamesh.deployments.canary import run_canary

    task = load_app().task(name)
    arg = parsed(task, read(source), source)
    return lambda client: lambda version, task_id: run_canary(client, task, arg, version, task_id, within)


def _change(
    deployment: str | None,
    change: Callable[[Client, Deployment], Coroutine[Any, Any, None]],
    said: Callable[[Deployment], str],
    json: bool,
) -> None:
    """Read a deployment, change it, and print what was done, or all of it as JSON."""

    async def changed(client: Client) -> tuple[Deployment, Deployment]:
        before = await _chosen(client, deployment)
        await change(client, before)
        return before, await _chosen(client, before.name)

    before, after = _asked(changed)
    if json:
        output.print_json(_fields(after))
    else:
        output.print_text(said(before))


async def _chosen(client: Client, deployment: str | None) -> Deployment:
    from sagamesh.deployments.deployment import only
    from sagamesh.deployments.reader import load_deployment, load_deployments

    if deployment is not None:
        return await load_deployment(client.temporal, deployment)
    return only(await load_deployments(client.temporal))


def _asked(work: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    from sagamesh.app import load_app

    async def ask() -> T:
        return await work(await output.connect(load_app()))

    return output.run(ask())


def _say(line: str) -> None:
    from sagamesh.cli.progress import Progress

    Progress().say(line)


def _percent(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no percentage", param_hint="--steps") from None


def _row(version: Version) -> tuple[str | Text, ...]:
    from rich.text import Text

    notes = []
    if version.unpolled:
        notes.append(f"no worker on {', '.join(version.unpolled)}")
    if version.rolled_back:
        notes.append(f"taken back: {version.rolled_back}")
    return (
        version.build,
        Text(version.state.value, style=_STYLES.get(version.state, "")),
        f"{version.share:g} %" if version.share else "",
        str(version.open_tasks) if version.hosts_tasks else "",
        str(len(version.workers)),
        "; ".join(notes),
    )


def _fields(deployment: Deployment) -> dict[str, Any]:
    """A deployment as JSON, without what only a change of its routing needs."""
    from dataclasses import asdict

    fields = asdict(deployment)
    del fields["token"], fields["ramp_ended"]
    return fields
