"""The command `restart`: other processes take the place of those of a pool, while work goes on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.stack.state import Restart

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("restart")(restart)


def restart(
    pools: Annotated[list[str] | None, typer.Argument(metavar="[POOL...]", help="Only these; else all.")] = None,
    json: output.JsonOption = False,
) -> None:
    """Restart the pools of the embedded stack one after the other, with the code as it is now, while tasks go on.

    A new process starts beside each old one. Once it takes work, the old one takes no more, finishes what it does, and
    ends. When a new one does not become ready, the old one goes on, and the pools after it are left. Ctrl-C finishes
    the pool in hand and leaves the rest.
    """
    from sagamesh.app import project_root
    from sagamesh.cli.progress import Progress
    from sagamesh.stack.errors import StackFailed
    from sagamesh.stack.place import Place
    from sagamesh.stack.restart import ask, follow_restart, withdraw

    place = Place.of(project_root())
    os.chdir(place.root)
    request, asked = ask(place, pools or [])
    progress = Progress()
    told = 0

    def observe(now: Restart) -> None:
        nonlocal told
        for done in now.done[told:]:
            before = f"of {done.old}" if done.old else "of one that had died"
            progress.say(f"{done.name:<14} process {done.new} took the place {before} after {done.took:.1f} s")
        told = len(now.done)

    try:
        with progress.showing():
            over = follow_restart(place, request, asked, observe)
    except KeyboardInterrupt:
        withdraw(place, request)
        progress.say("Interrupted: the pool in hand is finished by the supervisor, the rest is left.")
        raise
    if json:
        output.print_json(over)
    if over.error:
        raise StackFailed(f"{over.error}\n  the process that runs goes on, as do the pools that were not restarted yet")
    if not json:
        count = len(over.done)
        output.print_text(f"Restarted {count} process{'es' if count != 1 else ''} of {', '.join(over.pools)}.")
