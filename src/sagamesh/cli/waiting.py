"""What `agents --waiting` prints: who waits for an agent, and for how long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sagamesh.cli import output

if TYPE_CHECKING:
    from sagamesh.app import App
    from sagamesh.discovery import QueueState
    from sagamesh.waiting import WaitingCalls

__all__ = ["backlog_text", "limit_text", "print_waiting", "queues_named"]

_SHOWN: Final = 50
_MIDDLE: Final = 3


def queues_named(app: App, name: str) -> list[str]:
    """The queues of an agent, of one of its providers (`<agent>/<provider>`), or of tasks; all for the empty name.

    Raises:
        UnknownName: with the nearest names.
    """
    from sagamesh.errors import UnknownName

    named: dict[str, list[str]] = {}
    for agent in app.mesh.agents:
        named.setdefault(agent.name, []).extend(agent.queues)
        for queue in agent.queues:
            named.setdefault(queue, []).append(queue)
    for task in app.tasks:
        named.setdefault(task.queue, []).append(task.queue)
    if not name:
        return list(dict.fromkeys(queue for queues in named.values() for queue in queues))
    if name not in named:
        raise UnknownName("agent, provider or queue of tasks", name, named)
    return list(dict.fromkeys(named[name]))


def backlog_text(state: QueueState) -> str:
    """How many wait, and at which priorities where that is not the middle one alone: `501 (1: 1, 5: 500)`."""
    if not state.backlog or [each.priority for each in state.by_priority] in ([], [_MIDDLE]):
        return str(state.backlog)
    return f"{state.backlog} ({', '.join(f'{each.priority}: {each.waiting}' for each in state.by_priority)})"


def limit_text(state: QueueState) -> str:
    """The limits in force: `20/s, 5/s a tenant`; a star where not the contract set it."""
    texts = []
    if state.limit is not None:
        texts.append(f"{state.limit.rate:g}/s{'' if state.limit.declared else '*'}")
    if state.tenant_limit is not None:
        texts.append(f"{state.tenant_limit:g}/s a tenant")
    return ", ".join(texts)


def print_waiting(found: WaitingCalls, queues: Collection[str], *, json: bool) -> None:
    """Print the calls that wait, longest first."""
    if json:
        output.print_json({"waiting": found.calls, "looked_at": found.looked_at, "open": found.open})
        return
    from sagamesh.cli.span import span

    now = datetime.now(UTC)
    rows: Sequence[Sequence[str]] = [
        (
            call.task_id,
            call.customer or call.tenant,
            call.capability or f"{call.task} itself",
            call.queue,
            str(call.priority),
            str(call.attempt),
            span(now - call.since),
        )
        for call in found.calls[:_SHOWN]
    ]
    if rows:
        columns = ("task", "customer", "waits for", "queue", "priority", "attempt", "for")
        output.print_table(columns, rows)
    else:
        output.print_text(f"Nobody waits for {', '.join(sorted(queues))}.")
    if len(found.calls) > _SHOWN:
        output.print_text(f"... and {len(found.calls) - _SHOWN} more; --json prints them all.")
    if not found.complete:
        output.print_text(f"Only the newest {found.looked_at} of {found.open} open tasks were looked at.")
