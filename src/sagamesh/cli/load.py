"""The command `load`: many tasks from a mix, and what came of them."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sagamesh.cli import output
from sagamesh.cli.arguments import MixOption, PrefixOption, TaskArgument, finite

if TYPE_CHECKING:
    from sagamesh.load import Generator, Pace, Tally
    from sagamesh.load.report import Report

__all__ = ["REHEARSED", "interrupted_by", "note", "print_load", "register", "telling"]

_TIMEOUT = 300.0
_EVERY = 5.0
"""Seconds between two lines about the progress, where there is no terminal."""
_MOST_SHOWN = 20

REHEARSED = 1000
"""So many tasks are drawn before anything is sent, where nobody knows how many there will be."""

_MOST_REHEARSED = 100_000
"""Some seconds of drawing."""


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("load")(load)


def load(
    task: TaskArgument,
    mix: MixOption,
    count: Annotated[int | None, typer.Option(help="So many tasks; 100 when no duration is given.")] = None,
    duration: Annotated[float | None, typer.Option(metavar="S", help="Begin tasks for so many seconds.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="So many at a time, each followed by the next; 10 unless told otherwise.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="So many a second, whether those before them have ended or not.")
    ] = None,
    ramp: Annotated[float, typer.Option(metavar="S", help="Reach that within so many seconds, evenly.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="The same seed sends the same inputs. Else made up.")] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="S", min=1, callback=finite, help="A task without an end after so many seconds counts as wrong."
        ),
    ] = _TIMEOUT,
    id_prefix: PrefixOption = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Leave out the project's own check at the end.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Send many tasks, hold each against the end that it should have, and prove from the project's books what is right.

    Latencies count from when a task was meant to begin, also where the load is late. Ctrl-C begins no more tasks, waits
    for those that run, and reports; a second one stops waiting. Exit code 1 when a task ended in another way than its
    kind says, or the check found something.
    """
    from sagamesh.app import load_app
    from sagamesh.errors import InvalidInput
    from sagamesh.failure import FieldProblem
    from sagamesh.load import Deck, Pace, read_mix
    from sagamesh.load.pace import DEFAULT_CONCURRENCY
    from sagamesh.task import check_task_id

    if rate is not None and concurrency is not None:
        problem = "contradicts --concurrency: one sends without waiting for ends, the other waits"
        raise InvalidInput("the load", [FieldProblem(field="rate", problem=problem)])
    app = load_app()
    contract = app.task(task)
    pace = Pace(
        rate=rate,
        concurrency=DEFAULT_CONCURRENCY if concurrency is None else concurrency,
        count=100 if count is None and duration is None else count,
        seconds=duration,
        ramp=ramp,
    )
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    deck = Deck(read_mix(mix), contract, seed)
    deck.rehearse(range(REHEARSED if pace.count is None else min(pace.count, _MOST_REHEARSED)))
    prefix = check_task_id(f"load-{secrets.token_hex(3)}" if id_prefix is None else id_prefix)

    async def run() -> Report:
        from sagamesh.app import project_root
        from sagamesh.load import Generator, Record, Sender
        from sagamesh.load.check import pool_environment, violations
        from sagamesh.load.report import Report
        from sagamesh.stack.place import Place
        from sagamesh.stack.state import load as load_state
        from sagamesh.stack.state import running_inline

        client = await output.connect(app)
        address = client.temporal.service_client.config.target_host
        sender = Sender(client, contract, inline=running_inline(project_root(), address), timeout=timeout)
        # Now, because the stack may be gone when the load is over; its books are where they were.
        state = load_state(Place.of(project_root()))
        ours = state if state is not None and state.running and state.address == address else None
        environment = {} if no_check else pool_environment(ours)
        with Record(deck) as record:
            generator = Generator(deck, pace, sender, record, prefix=prefix)
            work = asyncio.create_task(generator.run())
            with interrupted_by(generator.stop, work.cancel):
                async with telling(generator, pace):
                    await asyncio.wait({work})
            if not work.cancelled():
                work.result()
            found = None
            if not no_check and app.checks:
                note(f"Checking with {app.checks} ...")
                found = await violations(app, record, environment)
        return Report.of(generator, task=contract.name, prefix=prefix, seed=seed, violations=found)

    report = output.run(run())
    if json:
        output.print_json({**_document(report), "right": report.right})
    else:
        print_load(report)
    raise typer.Exit(output.DONE if report.right else output.TASK_FAILED)


@contextmanager
def interrupted_by(stop: Callable[[], object], give_up: Callable[[], object]) -> Iterator[None]:
    """For the length of the block Ctrl-C calls `stop`, and the second one `give_up`."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)

    def told() -> None:
        loop.add_signal_handler(signal.SIGINT, give_up)
        note("Begins no more, and waits for what runs. Ctrl-C again stops waiting.")
        stop()

    loop.add_signal_handler(signal.SIGINT, told)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@asynccontextmanager
async def telling(generator: Generator, pace: Pace) -> AsyncIterator[None]:
    """Tell on standard error how far the load is, for the length of the block."""
    teller = asyncio.create_task(_tell(generator, pace))
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)


async def _tell(generator: Generator, pace: Pace) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = output.console(sys.stderr)
    if not console.is_terminal:
        while True:
            await asyncio.sleep(_EVERY)
            note(_line(generator.tally, 0.0))
    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"), console=console
    ) as progress:
        bar = progress.add_task("", total=pace.count)
        before = 0
        speed = 0.0
        while True:
            await asyncio.sleep(0.5)
            ended = generator.tally.ended
            speed += 0.3 * ((ended - before) / 0.5 - speed)
            before = ended
            progress.update(bar, completed=ended, description=_line(generator.tally, speed))


def _line(tally: Tally, speed: float) -> str:
    fast = f"{speed:.1f}/s  " if speed else ""
    return f"{fast}{tally.ended:,} ended  {tally.running:,} running  {tally.wrong:,} wrong"


def note(line: str) -> None:
    """Tell something on standard error."""
    output.console(sys.stderr).print(line)


def _document(report: Report) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(report)


def print_load(report: Report, *, verdict: bool = True) -> None:
    """Print what the load came to, for people; without its `verdict` what is wrong is left out."""
    from rich.text import Text

    from sagamesh.load.report import picture

    figures = report.latency
    output.print_text(
        f"{report.sent:,} tasks {report.task} in {report.took:.1f} s: {report.throughput:.1f}/s   "
        f"ids {report.prefix}-<n>, seed {report.seed}"
    )
    if figures.count:
        output.print_text(
            f"latency   p50 {_s(figures.p50)}   p90 {_s(figures.p90)}   p99 {_s(figures.p99)}   max {_s(figures.most)}"
        )
        for line in picture(figures):
            output.print_text(line)
    if report.drift is not None:
        first, last = map(_s, report.drift)
        output.print_text(f"p50 of the first tenth {first}, of the last tenth {last}")
    rows = [
        (kind, outcome, f"{count:,}")
        for kind, outcomes in report.outcomes.items()
        for outcome, count in outcomes.items()
    ]
    output.print_table(("kind", "outcome", "tasks"), rows)
    if report.found:
        output.print_text(f"{report.found:,} of them had been started before; they count in no latency.")
    if report.slack > max(0.05, figures.p50):
        output.print_text(f"The load itself was up to {_s(report.slack)} late to send: this machine is too busy.")
    if not verdict:
        return
    if report.stopped:
        output.print_text("Stopped early.")
    for wrong in (*report.mismatches[:_MOST_SHOWN], *(report.violations or ())[:_MOST_SHOWN]):
        output.print_text(Text.assemble(("WRONG  ", "red"), str(wrong)))
    if report.running:
        output.print_text(Text(f"{report.running:,} still run; nobody waits for them any more", style="red"))
    ended = f"{report.sent - report.running - report.wrong:,} of {report.sent:,} ended as they should"
    checked = {True: "; the books agree", False: f"; {len(report.violations or ()):,} violations"}[
        not report.violations
    ]
    output.print_text(
        Text(
            ended + ("; not checked" if report.violations is None else checked),
            style="green" if report.right else "red",
        )
    )


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
