"""Commands about agents and their workers: `agents`, `worker`, `topology`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from sagamesh.cli import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("agents")(agents)
    app.command("worker")(worker)
    app.command("topology")(topology)


def agents(
    name: Annotated[str, typer.Argument(metavar="[AGENT]", help="Only this agent, provider or queue of tasks.")] = "",
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Show the open tasks that wait for a worker there, longest first.")
    ] = False,
    json: output.JsonOption = False,
) -> None:
    """Show who is alive: workers, backlog, rates and limits of every agent and every pool of tasks.

    All of it comes from the server itself. A limit with a star was set there, not by the contract.
    """
    from sagamesh.app import load_app
    from sagamesh.cli.breaker import state_text
    from sagamesh.cli.waiting import backlog_text, limit_text, print_waiting, queues_named
    from sagamesh.discovery import QueueState, describe_app
    from sagamesh.presence import with_presence
    from sagamesh.waiting import WaitingCalls, waiting_calls

    app = load_app()
    queues = queues_named(app, name)

    async def ask() -> list[QueueState]:
        client = await output.connect(app)
        states = [state for state in await describe_app(client.temporal, app) if state.queue in queues]
        return await with_presence(client.temporal, states)

    async def ask_waiting() -> WaitingCalls:
        client = await output.connect(app)
        return await waiting_calls(client.temporal, queues)

    if waiting:
        print_waiting(output.run(ask_waiting()), queues, json=json)
        return
    found = output.run(ask())
    if json:
        output.print_json([{**asdict(state), "alive": state.alive} for state in found])
        return
    now = datetime.now(UTC)
    rows = [
        (
            state.queue if state.kind == "provider" else state.serves,
            "alive" if state.alive else "nobody",
            str(len(state.workers)),
            backlog_text(state),
            f"{state.oldest.total_seconds():.0f} s" if state.backlog else "",
            f"{state.added:g}/s",
            f"{state.dispatched:g}/s",
            limit_text(state),
            f"{(now - state.last_seen).total_seconds():.0f} s ago" if state.last_seen else "never",
            ", ".join(state_text(notice) for notice in state.breakers),
        )
        for state in found
    ]
    columns = ("agent", "state", "workers", "backlog", "oldest", "added", "done", "limit", "last seen", "breaker")
    output.print_table(columns, rows)


def worker(
    names: Annotated[
        list[str], typer.Argument(metavar="AGENT...", help="Agents or pools of tasks to serve, each once")
    ],
    inline: Annotated[
        bool, typer.Option("--inline", help="Also host tasks inline: their agents must be served here, too.")
    ] = False,
) -> None:
    """Serve agents or host tasks in this process until Ctrl-C; what runs is finished first."""
    from sagamesh.app import load_app, project_root
    from sagamesh.stack.state import running_address
    from sagamesh.worker import run_worker

    run_worker(load_app(), names, inline=inline, address=running_address(project_root()))


def topology(
    format: Annotated[str, typer.Option(help="mermaid, dot, svg or json, as --json")] = "mermaid",  # the option's name
    live: Annotated[
        bool, typer.Option("--live", help="Also how it stands now: workers, what waits, breakers; asks the server.")
    ] = False,
    json: output.JsonOption = False,
) -> None:
    """Check the mesh and draw it: agents, their capabilities, what depends on what, and which task uses whom."""
    from sagamesh.app import load_app
    from sagamesh.discovery import QueueState, describe_app
    from sagamesh.presence import with_presence
    from sagamesh.topology import FORMATS, draw

    if format not in FORMATS:
        raise typer.BadParameter(f"{format!r} is none of {', '.join(FORMATS)}", param_hint="--format")
    app = load_app()

    async def ask() -> list[QueueState]:
        client = await output.connect(app)
        return await with_presence(client.temporal, await describe_app(client.temporal, app))

    typer.echo(draw(app, "json" if json else format, output.run(ask()) if live else ()))
