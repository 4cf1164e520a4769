"""Commands about tasks: `start`, `show`, `list`, `cancel`."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from sagamesh.cli import output
from sagamesh.cli.arguments import TaskArgument, TaskId
from sagamesh.cli.filter import StatusWord

if TYPE_CHECKING:
    from sagamesh.cli.follow import End
    from sagamesh.client import Client, TaskHandle, TaskSummary
    from sagamesh.timeline import Timeline

__all__ = ["new_id", "register"]

# Without characters that are taken for each other when somebody reads an id aloud.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_WATCH_PAUSE = 1.0
"""Seconds between two looks at a task that is watched."""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("start")(start)
    app.command("show")(show)
    app.command("list")(list_)
    app.command("cancel")(cancel)


def start(
    task: TaskArgument,
    input: Annotated[
        str, typer.Option("--input", "-i", metavar="FILE|-", help="The input as JSON; - reads standard input.")
    ],
    id: Annotated[
        str | None,
        typer.Option(
            "--id", help="Names the task. Starting twice with one id and one input is one task. Else made up."
        ),
    ] = None,
    priority: Annotated[int | None, typer.Option(min=1, max=5, help="1 is served first, 5 last.")] = None,
    weight: Annotated[
        float | None, typer.Option(min=0.001, max=1000, help="The tenant's share of the agents; 1 unless said.")
    ] = None,
    inline: Annotated[
        bool | None,
        typer.Option(
            "--inline/--plain",
            help="In the process that hosts tasks and agents together, or on the pools; else as the stack does.",
        ),
    ] = None,
    supervised: Annotated[
        bool,
        typer.Option("--supervised", help="Undo what it leaves behind when it is terminated, times out or is reset."),
    ] = False,
    timeout: Annotated[
        str | None, typer.Option(metavar="TIME", help="With --supervised: end it after so long, such as 30m.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end, and show what happens.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Start a task.

    With --wait the exit code is 1 when the task fails or is cancelled. Exit code 2 for an input that is not valid, or
    an id that belongs to a task with another input.
    """
    from sagamesh.app import load_app, project_root
    from sagamesh.cli.body import parsed, read
    from sagamesh.cli.duration import duration
    from sagamesh.stack.state import running_inline
    from sagamesh.task import check_task_id

    app = load_app()
    contract = app.task(task)
    task_id = check_task_id(id) if id is not None else new_id(contract.name, datetime.now(UTC))
    arg = parsed(contract, read(input), input)
    ends_after = None if timeout is None else duration("--timeout", timeout)

    async def begin() -> int:
        client = await output.connect(app)
        server = client.temporal.service_client.config.target_host
        # What runs on the spot leaves too little behind to undo it by.
        on_the_spot = (running_inline(project_root(), server) and not supervised) if inline is None else inline
        handle = await client.start(
            contract,
            arg,
            id=task_id,
            priority=priority,
            weight=weight,
            inline=on_the_spot,
            supervised=supervised,
            timeout=ends_after,
        )
        return await _started(client, contract.name, handle, wait=wait, json=json)

    raise typer.Exit(output.run(begin()))


def show(
    id: TaskId,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again until it ends; in a pipe, print once it has ended.")
    ] = False,
    json: output.JsonOption = False,
) -> None:
    """Show a task as a timeline: steps, attempts, waits, decisions, what was undone. Needs no running worker."""
    from sagamesh.app import load_app

    app = load_app()

    async def look() -> None:
        client = await output.connect(app)
        found = await _watched(client, id, json) if watch else await client.find(id).timeline()
        _print_timeline(client, found, json)

    output.run(look())


def list_(
    needs_operator: Annotated[
        bool, typer.Option("--needs-operator", help="Only those in which a failed undo waits for a decision.")
    ] = False,
    task: Annotated[str, typer.Option(metavar="NAME", help="Only tasks of this name.")] = "",
    status: Annotated[
        StatusWord | None,
        typer.Option(metavar="STATUS", help=f"Only those that are {', '.join(get_args(StatusWord))}."),
    ] = None,
    customer: Annotated[str, typer.Option(help="Only tasks of this customer.")] = "",
    query: Annotated[
        str, typer.Option(help="The server's own list filter, such as \"StartTime > '2026-01-01'\".")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    json: output.JsonOption = False,
) -> None:
    """List tasks: those that run, newest first, then those that ended, the last one first."""
    from sagamesh.app import load_app
    from sagamesh.cli.filter import list_filter

    app = load_app()
    if task:
        app.task(task)
    wanted = list_filter(needs_operator=needs_operator, task=task, status=status, customer=customer, query=query)

    async def ask() -> list[TaskSummary]:
        client = await output.connect(app)
        return [summary async for summary in client.list(wanted, limit=limit)]

    found = output.run(ask())
    if json:
        output.print_json([_row(summary) for summary in found])
    elif not found:
        asked = needs_operator or task or status or customer or query
        output.print_text("No task matches." if asked else "No task was started yet.")
    else:
        _print_rows(found)


def cancel(
    id: TaskId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the task's history.")] = "",
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait until everything is undone.")] = False,
    json: output.JsonOption = False,
) -> None:
    """Ask a task to stop and undo what it did.

    Exit code 1 when it is past its point of no return, has ended already, or (with --wait) ended in another way.
    """
    from sagamesh.app import load_app

    app = load_app()

    async def ask() -> int:
        client = await output.connect(app)
        handle = client.find(id)
        status = await handle.cancel(reason=reason)
        if wait:
            return await _waited(client, handle, {}, json, wanted="cancelled")
        if json:
            output.print_json({"id": id, "status": status.stage, "undone": status.undone})
        else:
            output.print_text(f"{id} was asked to stop, and undoes what it did: sagamesh show {id}")
        return output.DONE

    raise typer.Exit(output.run(ask()))


def new_id(task: str, now: datetime) -> str:
    """A readable id that nobody else has: `order-20260131-k3v9zqab`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "-", task).strip("-").lower() or "task"
    return f"{words}-{now:%Y%m%d}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}"


async def _started(client: Client, task: str, handle: TaskHandle[Any], *, wait: bool, json: bool) -> int:
    from sagamesh.cli.link import task_link

    link = task_link(client, handle.id, handle.run_id)
    facts = {"id": handle.id, "run_id": handle.run_id, "task": task, "found": handle.found, "link": link}
    said = f"{task} {handle.id} " + (
        "was started before with this input; it is the same task" if handle.found else "started"
    )
    if wait:
        if not json:
            output.console(sys.stderr).print("\n".join(filter(None, (said, link))))
        return await _waited(client, handle, facts, json, wanted="completed")
    if json:
        output.print_json(facts)
    else:
        output.print_text("\n".join(filter(None, (said, link, f"Watch it: sagamesh show {handle.id} --watch"))))
    return output.DONE


async def _waited(client: Client, handle: TaskHandle[Any], facts: dict[str, Any], json: bool, *, wanted: str) -> int:
    """Wait for the end and print it; the exit code says whether it is the one that was wanted."""
    from sagamesh.cli.follow import follow

    try:
        end = await follow(handle, quiet=json)
    except asyncio.CancelledError:
        output.console(sys.stderr).print(f"Not waiting any more; {handle.id} goes on: sagamesh show {handle.id}")
        raise
    if json:
        output.print_json(
            {"id": handle.id, **facts, "status": end.status, "result": end.result, "failure": end.failure}
        )
    else:
        _print_end(handle.id, end)
    return output.DONE if end.status == wanted else output.TASK_FAILED


def _print_end(task_id: str, end: End) -> None:
    from pydantic_core import to_json
    from rich.text import Text

    from sagamesh.cli.chart import failure_lines

    if end.status == "cancelled":
        output.print_text(f"{task_id} is cancelled, and what it did is undone: sagamesh show {task_id}")
        return
    output.print_text(Text.assemble(f"{task_id} ", (end.status, "green" if end.failure is None else "red")))
    if end.failure is None:
        output.print_text(to_json(end.result, indent=2).decode())
        return
    for line in failure_lines(end.failure):
        output.print_text(line)
    output.print_text(f"See how it went: sagamesh show {task_id}")


async def _watched(client: Client, task_id: str, json: bool) -> Timeline:
    """Look at a task until it ends; on a terminal, draw it each time."""
    from rich.live import Live

    from sagamesh.cli.chart import chart

    handle = client.find(task_id)
    terminal = output.console()
    found = await handle.timeline()
    if json or not terminal.is_terminal:
        while found.ended is None:
            await asyncio.sleep(_WATCH_PAUSE)
            found = await handle.timeline()
        return found
    with Live(chart(found, width=terminal.width), console=terminal, auto_refresh=False, transient=True) as live:
        while found.ended is None:
            await asyncio.sleep(_WATCH_PAUSE)
            found = await handle.timeline()
            live.update(chart(found, width=terminal.width), refresh=True)
    return found


def _print_timeline(client: Client, timeline: Timeline, json: bool) -> None:
    from sagamesh.cli.chart import chart
    from sagamesh.cli.document import document
    from sagamesh.cli.link import task_link
    from sagamesh.tracing.trace import trace_link

    link = task_link(client, timeline.id, timeline.run_id)
    trace = trace_link(timeline.trace_id, os.environ)
    if json:
        output.print_json({**document(timeline), "link": link, "trace_link": trace})
    else:
        output.print_text(chart(timeline, link=link, trace=trace, width=output.console().width))


def _row(summary: TaskSummary) -> dict[str, Any]:
    from dataclasses import asdict

    from sagamesh.cli.filter import status_word

    return {**asdict(summary), "status": status_word(summary.execution, summary.stage)}


def _print_rows(found: list[TaskSummary]) -> None:
    from sagamesh.cli.filter import status_word
    from sagamesh.cli.span import clock, span

    now = datetime.now(UTC)
    rows = [
        (
            summary.id,
            summary.task,
            status_word(summary.execution, summary.stage).replace("_", " "),
            summary.customer,
            clock(summary.started),
            span((summary.closed or now) - summary.started),
        )
        for summary in found
    ]
    output.print_table(("id", "task", "status", "customer", "started", "took"), rows)
