"""The command `locks`: who holds locks, and who waits for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from sagamesh.cli import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("locks")(locks)


def locks(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One lock; without it, all in use.")] = None,
    json: output.JsonOption = False,
) -> None:
    """Show locks: who holds each, its fence, how long its lease goes on, and who waits in which order.

    Leaders are holders of locks called leader:NAME. A lock that nobody has wanted for a while is not in use. Needs a
    process that hosts tasks.
    """
    from sagamesh.app import load_app
    from sagamesh.locks.look import look
    from sagamesh.locks.messages import LockStatus

    app = load_app()

    async def ask() -> list[LockStatus]:
        return await look((await output.connect(app)).temporal, name)

    found = output.run(ask())
    if json:
        output.print_json(found)
        return
    if not found:
        output.print_text("No lock is in use." if name is None else f"The lock {name} is not in use.")
        return
    now = datetime.now(UTC)
    rows = []
    for lock in found:
        holder = lock.holder
        left = "" if holder is None else f"{max((holder.until - now).total_seconds(), 0):.0f} s"
        waiting = ", ".join(waiter.task_id for waiter in lock.waiting[: None if name else 3])
        more = "" if name or len(lock.waiting) <= 3 else f" and {len(lock.waiting) - 3} more"
        rows.append((lock.name, holder.task_id if holder else "", str(lock.fence), left, f"{waiting}{more}"))
    output.print_table(("lock", "holder", "fence", "lease", "waiting"), rows)
