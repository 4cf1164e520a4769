"""The command `chaos`: a seeded game day on the embedded stack."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagamesh.cli import output
from sagamesh.cli.arguments import MixOption, PrefixOption, TaskArgument, finite
from sagamesh.cli.load import REHEARSED, interrupted_by, note, print_load, telling

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.chaos import Fault, Kind, Schedule
    from sagamesh.chaos.gameday import Outcome
    from sagamesh.chaos.stack import OwnStack
    from sagamesh.load import Deck, Pace

__all__ = ["register"]

_KINDS = "kill, pause, lock, delay, error, lose-answer"
_MINUTES = 3.0
_TIMEOUT = 300.0
_SPARE = 60.0
"""Seconds for which the load goes on when faults end later than planned."""
_MOST_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("chaos")(chaos)


def chaos(
    task: TaskArgument,
    mix: MixOption,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="Faults for so many minutes; 3 unless told otherwise.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same schedule. Else made up.")] = None,
    kinds: Annotated[str, typer.Option(metavar="KIND,...", help=f"Only these kinds: {_KINDS}.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Print the schedule and do nothing.")] = False,
    replay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The schedule of this file, as an earlier run saved it.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Tasks a second meanwhile.")] = 3.0,
    recovery: Annotated[
        float,
        typer.Option(
            metavar="S", min=0, callback=finite, help="Everything must be right so many seconds after the last fault."
        ),
    ] = 30.0,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S", min=1, callback=finite, help="A task without an end after so many seconds counts as lost."
        ),
    ] = _TIMEOUT,
    id_prefix: PrefixOption = None,
    json: output.JsonOption = False,
) -> None:
    """Kill, pause, lock and disturb the embedded stack of this project while tasks run, and prove that it held.

    It ends with ten fresh tasks that must reach their right end, and with the project's own check. Exit code 0 only
    when nothing at all is wrong and it was not stopped early: Ctrl-C ends the faults, recovery and proof follow, and
    the exit code is 1. It touches the embedded stack of this project on this machine and nothing else; what it pauses
    goes on and what it injects ends, however it ends itself.
    """
    from sagamesh.app import load_app
    from sagamesh.chaos.gameday import PROBES
    from sagamesh.chaos.stack import OwnStack
    from sagamesh.load import Deck, Pace, read_mix
    from sagamesh.task import check_task_id

    app = load_app()
    contract = app.task(task)
    read = read_mix(mix)
    schedule = _schedule(app, seed=seed, minutes=minutes, kinds=kinds, replay=replay)
    deck = Deck(read, contract, schedule.seed)
    deck.rehearse((*range(REHEARSED), *PROBES))
    pace = Pace(rate=rate, seconds=schedule.end + _SPARE)
    if plan:
        _print_plan(schedule, json=json)
        return
    prefix = check_task_id(f"chaos-{secrets.token_hex(3)}" if id_prefix is None else id_prefix)
    with OwnStack.claimed() as stack:
        outcome = output.run(
            _run(app, stack, schedule, deck, pace, replay=replay, prefix=prefix, within=recovery, timeout=timeout)
        )
    if json:
        output.print_json({**_document(outcome), "right": outcome.right})
    else:
        _print_outcome(outcome)
    raise typer.Exit(output.DONE if outcome.right else output.TASK_FAILED)


def _schedule(app: App, *, seed: int | None, minutes: float | None, kinds: str, replay: Path | None) -> Schedule:
    """The schedule that was asked for.

    Raises:
        InvalidInput: naming what is wrong with it.
    """
    from sagamesh.app import project_root
    from sagamesh.chaos import KINDS, schedule
    from sagamesh.chaos.saved import read_schedule
    from sagamesh.chaos.stack import targets_of
    from sagamesh.errors import InvalidInput
    from sagamesh.failure import FieldProblem
    from sagamesh.stack.place import Place
    from sagamesh.stack.state import load

    state = load(Place.of(project_root()))
    targets = targets_of(app, inline=state is not None and state.inline)
    if replay is not None:
        given = {"minutes": minutes is not None, "seed": seed is not None, "kinds": bool(kinds)}
        problem = "contradicts --replay: the file says it"
        wrong = [FieldProblem(field=field, problem=problem) for field, there in given.items() if there]
        if wrong:
            raise InvalidInput("the chaos", wrong)
        return read_schedule(replay, targets)
    words = [word.strip() for word in kinds.split(",")] if kinds else list(KINDS)
    wanted: list[Kind] = [kind for kind in KINDS if kind in words]
    unknown = [word or "nothing" for word in words if word not in KINDS]
    if unknown:
        problem = f"{', '.join(unknown)} is none of {_KINDS}"
        raise InvalidInput("the chaos", [FieldProblem(field="kinds", problem=problem)])
    minutes = _MINUTES if minutes is None else minutes
    if not 0 < minutes <= 24 * 60:
        raise InvalidInput("the chaos", [FieldProblem(field="minutes", problem="must be above 0, and a day at most")])
    return schedule(secrets.randbelow(1_000_000) if seed is None else seed, minutes, targets, wanted)


async def _run(
    app: App,
    stack: OwnStack,
    schedule: Schedule,
    deck: Deck,
    pace: Pace,
    *,
    replay: Path | None,
    prefix: str,
    within: float,
    timeout: float,
) -> Outcome:
    from sagamesh.chaos.gameday import GameDay
    from sagamesh.chaos.saved import save_schedule
    from sagamesh.errors import Refused
    from sagamesh.load import Generator, Record, Sender

    client = await output.connect(app)
    address = client.temporal.service_client.config.target_host
    if address != stack.state.address:
        raise Refused(
            "AnotherServer",
            f"the environment or the profile names the Temporal server at {address}, the embedded stack's is at "
            f"{stack.state.address}; chaos touches only the latter: unset TEMPORAL_ADDRESS or TEMPORAL_PROFILE",
        )
    absent = sorted(stack.absent(schedule))
    if absent:
        raise Refused("NoSuchPart", f"the running stack has no {', '.join(absent)}; was it started from another app?")
    kept = replay or save_schedule(schedule, stack.place.folder)
    note(f"Seed {schedule.seed}: {len(schedule.faults)} faults in {schedule.minutes:g} minutes, as in {kept}")
    sender = Sender(client, deck.task, inline=stack.state.inline, timeout=timeout)

    def tell(fault: Fault) -> None:
        note(f"{_clock(fault.at)}  {fault}")

    with Record(deck) as record:
        generator = Generator(deck, pace, sender, record, prefix=prefix)
        day = GameDay(app, stack, schedule, sender, generator, record, prefix=prefix, within=within, observe=tell)
        work = asyncio.create_task(day.run())
        with interrupted_by(day.stop, work.cancel):
            async with telling(generator, pace):
                await asyncio.wait({work})
        if work.cancelled():
            raise Refused("Interrupted", f"stopped before it was proved that the stack held; seed {schedule.seed}")
        return work.result()


def _document(outcome: Outcome) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(outcome)


def _print_plan(schedule: Schedule, *, json: bool) -> None:
    if json:
        output.print_json(schedule)
        return
    output.print_text(f"seed {schedule.seed}, {schedule.minutes:g} minutes, {len(schedule.faults)} faults")
    output.print_table(
        ("at", "kind", "target", "lasts", "what"),
        [
            (_clock(fault.at), fault.kind, fault.target, f"{fault.seconds:g} s" if fault.seconds else "", _what(fault))
            for fault in schedule.faults
        ],
    )


def _what(fault: Fault) -> str:
    if fault.rule is None:
        return ""
    slow = f"{fault.rule.delay:g} s, " if fault.rule.delay else ""
    return f"{slow}{fault.rule.share:.0%} of the calls"


def _print_outcome(outcome: Outcome) -> None:
    from rich.text import Text

    for done in outcome.done:
        if done.note:
            output.print_text(f"{_clock(done.at)}  {done.fault}: {done.note}")
    print_load(outcome.load, verdict=False)
    output.print_text(
        f"{outcome.applied} of {outcome.planned} faults, seed {outcome.schedule.seed}; "
        f"{outcome.probes} of {outcome.asked} probes right; recovery {outcome.recovery:.1f} s after the last fault "
        f"(at most {outcome.within:g} s)"
    )
    if outcome.stopped:
        output.print_text(Text(f"Stopped early: {outcome.applied} of {outcome.planned} faults", style="red"))
    for wrong in outcome.violations[:_MOST_SHOWN]:
        output.print_text(Text.assemble(("WRONG  ", "red"), wrong))
    said = f"{len(outcome.violations):,} violations"
    output.print_text(Text(said, style="green" if outcome.right else "red"))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:02.0f}:{rest:04.1f}"
