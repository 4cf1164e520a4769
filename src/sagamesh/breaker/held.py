"""Why calls of a task wait, where breakers hold their queues."""

from __future__ import annotations

from dataclasses import replace

from temporalio.client import Client

from sagamesh.breaker.gate import look
from sagamesh.breaker.notice import Notice
from sagamesh.timeline import Entry, State, Timeline

__all__ = ["with_holds"]

_WAITING = (State.WAITING, State.RETRYING)


async def with_holds(client: Client, timeline: Timeline) -> Timeline:
    """The timeline, in which each call that waits on a held queue says so. Asks the server only where calls wait.

    Raises:
        temporalio.service.RPCError: when the server does not answer.
    """
    queues = dict.fromkeys(entry.queue for entry in timeline.entries if _waits(entry))
    held = {queue: told for queue in queues if (told := _told(await look(client, queue)))}
    if not held:
        return timeline
    entries = (replace(e, held=held.get(e.queue, "")) if _waits(e) else e for e in timeline.entries)
    return replace(timeline, entries=tuple(entries))


def _waits(entry: Entry) -> bool:
    return bool(entry.queue) and entry.state in _WAITING


def _told(notices: dict[str, Notice]) -> str:
    return "; ".join(f"breaker {n.key} is {n.state}{f': {n.cause}' if n.cause else ''}" for n in notices.values())
