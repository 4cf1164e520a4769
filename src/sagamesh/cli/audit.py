"""The command `audit`: who decided what, when and why."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.audit import Found

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("audit")(audit)


def audit(
    id: Annotated[str | None, typer.Argument(metavar="ID", help="One task; without it, all tasks.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only what was decided then (UTC) or later, such as 2026-01-31.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Read at most so many histories, the newest.")] = 1000,
    json: output.JsonOption = False,
) -> None:
    """Show who decided what: approvals, operators' decisions, cancels, terminations, resets, breakers held or freed.

    It reads the histories that the server keeps, and these end with its retention. What must be kept longer goes into a
    file of your own: `sagamesh audit --since 2026-01-31 --json >> decisions.jsonl` prints one JSON object a line.
    """
    from sagamesh.app import load_app
    from sagamesh.audit import audit_all, audit_task
    from sagamesh.task import check_id

    app = load_app()
    if id is not None:
        check_id(id)
    after = None if since is None else since.replace(tzinfo=UTC)

    async def ask() -> Found:
        client = (await output.connect(app)).temporal
        if id is None:
            return await audit_all(client, since=after, limit=limit)
        return await audit_task(client, id)

    found = output.run(ask())
    wanted = [record for record in found.records if after is None or record.at >= after]
    if not found.complete:
        sys.stderr.write(f"note: only the newest {found.looked_at:,} histories were read; --limit reads more\n")
    if json:
        from dataclasses import asdict

        from pydantic_core import to_json

        sys.stdout.writelines(f"{to_json(asdict(record)).decode()}\n" for record in wanted)
        return
    if not wanted:
        output.print_text("Nobody has decided anything that the server still knows of.")
        return
    rows = [
        (f"{each.at:%Y-%m-%d %H:%M:%S}", each.task_id, each.what, each.about, each.by, each.identity, each.reason)
        for each in wanted
    ]
    output.print_table(("when (UTC)", "task", "what", "about", "by", "sent by", "why"), rows)
