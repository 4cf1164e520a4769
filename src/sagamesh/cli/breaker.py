"""The commands `breaker list`, `open`, `close` and `reset`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.breaker.control import Seen
    from sagamesh.breaker.fleet import Action
    from sagamesh.breaker.notice import Notice

__all__ = ["register", "state_text"]

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="The breaker's key, its agent, or a capability that it guards.")
]
By = Annotated[
    str | None,
    typer.Option("--by", help="Who decides. Default: SAGAMESH_USER, else the operating system's user."),
]
Why = Annotated[str, typer.Option(help="Why; everybody sees it while it holds.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    breaker = typer.Typer(help="Circuit breakers: see them, open or close them by hand.", no_args_is_help=True)
    breaker.command("list")(list_)
    breaker.command("open")(open_)
    breaker.command("close")(close)
    breaker.command("reset")(reset)
    app.add_typer(breaker, name="breaker")


def list_(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Only this key, agent or capability.")] = "",
    json: output.JsonOption = False,
) -> None:
    """Show every breaker: its state, since when, who or what brought it there. Needs no running worker."""
    from sagamesh.app import load_app
    from sagamesh.breaker.control import find_breakers, see

    app = load_app()
    breakers = find_breakers(app.mesh, name)

    async def ask() -> list[Seen]:
        return await see((await output.connect(app)).temporal, breakers)

    _print(output.run(ask()), json)


def open_(name: Name, by: By = None, reason: Why = "", json: output.JsonOption = False) -> None:
    """Hold the calls until somebody closes or resets it.

    Exit code 1 when no process that hosts tasks is there to do it; then it is done as soon as one is.
    """
    _decide(name, "open", by, reason, json)


def close(name: Name, by: By = None, reason: Why = "", json: output.JsonOption = False) -> None:
    """Let all calls go on at once. It opens by itself again when they fail."""
    _decide(name, "close", by, reason, json)


def reset(name: Name, by: By = None, reason: Why = "", json: output.JsonOption = False) -> None:
    """Let probes decide now, one call at a time: what holds calls back no longer waits, nor for a person."""
    _decide(name, "reset", by, reason, json)


def state_text(notice: Notice) -> str:
    """One breaker that holds a queue, in a table: `gateway open until 13:05:10 (TimeoutError: ...)`."""
    from sagamesh.cli.span import clock

    until = f" until {clock(notice.until)}" if notice.until is not None else ""
    return f"{notice.key} {notice.state}{until}{f' ({notice.cause})' if notice.cause else ''}"


def _decide(name: str, action: Action, by: str | None, reason: str, json: bool) -> None:
    from sagamesh.app import load_app
    from sagamesh.breaker.control import decide, find_breakers

    app = load_app()
    breakers = find_breakers(app.mesh, name)
    who = output.who(by)

    async def ask() -> list[Seen]:
        return await decide((await output.connect(app)).temporal, breakers, action, by=who, reason=reason)

    _print(output.run(ask()), json)


def _print(seen: list[Seen], json: bool) -> None:
    from sagamesh.cli.span import clock

    if json:
        output.print_json([asdict(one) for one in seen])
        return
    if not seen:
        output.print_text("No capability declares a breaker.")
        return
    rows = [
        (
            one.breaker,
            one.queue,
            one.state,
            clock(one.since) if one.since is not None else "",
            clock(one.until) if one.until is not None else "",
            one.by,
            one.reason,
        )
        for one in seen
    ]
    output.print_table(("breaker", "queue", "state", "since", "probe at", "by", "reason"), rows)
