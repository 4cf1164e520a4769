"""The command `replay`: the gate over files, or over what a server holds."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.replay import Verdict

__all__ = ["register"]

_LIMIT = 100


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("replay")(replay)


def replay(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILES...", help="Histories as JSON; of a folder, all *.json in it.")
    ] = None,
    from_server: Annotated[bool, typer.Option("--from-server", help="Replay what the server holds.")] = False,
    query: Annotated[
        str, typer.Option(help="With --from-server: the server's list filter; default: all of this project's tasks.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, help="With --from-server: at most so many, newest first.")] = _LIMIT,
    json: output.JsonOption = False,
) -> None:
    """Hold today's code against recorded histories: the same commands, in the same order, with the same arguments.

    Exit code 1 when any history does not pass, 2 when a file cannot be read or there is nothing to replay.
    """
    if bool(files) is from_server:
        raise typer.BadParameter("give history files, or --from-server", param_hint="FILES")
    found = output.run(_from_server(query, limit, json) if from_server else _from_files(files or [], json))
    failed = sum(1 for verdict in found if not verdict.ok)
    if json:
        output.print_json([{**asdict(verdict), "ok": verdict.ok} for verdict in found])
    else:
        output.print_text(f"{len(found) - failed} of {len(found)} pass")
    if failed and not json:
        from sagamesh.replay import advice

        output.print_text(f"\n{advice()}")
    if failed:
        raise typer.Exit(output.TASK_FAILED)


async def _from_files(paths: Iterable[Path], json: bool) -> list[Verdict]:
    from sagamesh.app import load_app
    from sagamesh.replay import read_history, verdicts

    app = load_app()
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    histories = [read_history(file) for file in files]
    found = verdicts(histories, workflows=app.workflow_classes(), plugin=app.plugin())
    sources = iter(files)
    named = (replace(verdict, source=str(next(sources))) async for verdict in found)
    return await _shown(named, json, "the folders hold no *.json")


async def _from_server(query: str, limit: int, json: bool) -> list[Verdict]:
    from sagamesh.app import load_app
    from sagamesh.replay import verdicts
    from sagamesh.replay.fetched import fetched

    app = load_app()
    client = await output.connect(app)
    types = ", ".join(f"'{task.name}'" for task in app.tasks)
    histories = fetched(client, query or f"WorkflowType IN ({types})", limit)
    found = verdicts(
        histories, workflows=app.workflow_classes(), plugin=app.plugin(), namespace=client.temporal.namespace
    )
    return await _shown(found, json, "the server has no task that matches")


async def _shown(verdicts: AsyncIterator[Verdict], json: bool, nothing: str) -> list[Verdict]:
    """Print verdicts as they come, unless they will be printed as JSON; refuse to pass when there are none."""
    from sagamesh.errors import InvalidInput
    from sagamesh.failure import FieldProblem

    # The verdict says what the code raised; the SDK would print the same with its own traceback.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    found = []
    async for verdict in verdicts:
        found.append(verdict)
        if not json:
            output.print_text(str(verdict))
    if not found:
        raise InvalidInput("the selection", [FieldProblem(field="", problem=f"nothing to replay: {nothing}")])
    return found
