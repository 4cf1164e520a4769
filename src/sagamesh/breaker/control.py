"""What operators ask of breakers: to see them, to open one, to close one, to let probes decide."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from sagamesh.breaker.contract import Declared, declared_breakers
from sagamesh.breaker.fleet import Action, Breakers, Kept, Order, Phase, keeper_id
from sagamesh.breaker.gate import look
from sagamesh.breaker.keeper import MEMO
from sagamesh.breaker.notice import Notice
from sagamesh.breaker.watch import send
from sagamesh.errors import Refused, UnknownName
from sagamesh.mesh import Mesh
from sagamesh.reply import reply

__all__ = ["Seen", "decide", "find_breakers", "see"]

_PATIENCE: Final = timedelta(seconds=10)
"""For the keeper to do as it is told."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One breaker, as the server knows it.

    - `state`: `closed`, `open`, `half-open` or `forced open`, from the queue's own configuration.
    - `since`, `by`, `reason`: when it came to this, who said so (a worker, an operator), and why; None and empty where
      nothing has happened within the server's memory. `until`: when the first probe is let through.
    """

    breaker: str
    agent: str
    queue: str
    capabilities: tuple[str, ...]
    state: str
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""
    reason: str = ""


def find_breakers(mesh: Mesh, name: str = "") -> tuple[Declared, ...]:
    """The breakers of this agent, of this key, or guarding this capability; all for the empty name.

    Raises:
        UnknownName: with the nearest names.
    """
    known = [declared for agent in mesh.agents for declared in declared_breakers(agent)]
    found = tuple(one for one in known if not name or name in _names(one))
    if name and not found:
        raise UnknownName("breaker, or agent that declares one,", name, {n for one in known for n in _names(one)})
    return found


async def see(client: Client, breakers: Sequence[Declared]) -> list[Seen]:
    """The state of these breakers. Needs no worker.

    Raises:
        ServerUnreachable: when the server does not answer.
    """
    queues = list(dict.fromkeys(one.queue for one in breakers))
    notices = dict(zip(queues, await asyncio.gather(*(reply(client, look(client, q)) for q in queues)), strict=True))
    memories = dict(zip(queues, await asyncio.gather(*(_memory(client, q) for q in queues)), strict=True))
    return [_seen(one, notices[one.queue].get(one.key), memories[one.queue].get(one.key)) for one in breakers]


async def decide(
    client: Client,
    breakers: Sequence[Declared],
    action: Action,
    *,
    by: str,
    reason: str,
    patience: timedelta = _PATIENCE,
) -> list[Seen]:
    """Open, close or reset these breakers, and wait until it is so.

    Raises:
        Refused: `NobodyKeeps` when no process that hosts tasks is there to do it; it is done as soon as one is.
        ServerUnreachable: when the server does not answer.
    """
    for one in breakers:
        order = Order(
            key=one.key,
            action=action,
            by=by,
            reason=reason,
            recovery=one.rule.recovery,
            interval=one.interval,
            probes=one.rule.probes,
        )
        await reply(client, send(client, one.queue, order))
    until = time.monotonic() + patience.total_seconds()
    while True:
        seen = await see(client, breakers)
        if _obeyed(seen, action):
            return seen
        if time.monotonic() > until:
            raise Refused(
                "NobodyKeeps",
                f"the order is kept by the server, but nobody has carried it out for {patience.total_seconds():g} s: "
                "it takes a process that hosts tasks (`sagamesh up`, or `sagamesh worker` with a pool of tasks)",
            )
        await asyncio.sleep(0.1)


def _obeyed(seen: Iterable[Seen], action: Action) -> bool:
    match action:
        case "open":
            return all(one.state == Phase.FORCED for one in seen)
        case "close":
            return all(one.state == Phase.CLOSED for one in seen)
        case "reset":
            return all(one.state not in (Phase.FORCED, Phase.OPEN) for one in seen)


def _names(declared: Declared) -> set[str]:
    return {declared.key, declared.agent, declared.queue, *declared.capabilities}


def _seen(one: Declared, notice: Notice | None, kept: Kept | None) -> Seen:
    facts: dict[str, Any] = {"state": Phase.CLOSED.value}
    if notice is not None:
        facts = {
            "state": notice.state,
            "since": notice.since,
            "until": notice.until,
            "by": notice.by,
            "reason": notice.cause,
        }
    elif kept is not None and kept.phase is Phase.CLOSED and kept.by:
        facts |= {"since": kept.since.astimezone(UTC), "by": kept.by, "reason": kept.cause}
    return Seen(one.key, one.agent, one.queue, one.capabilities, **facts)


async def _memory(client: Client, queue: str) -> dict[str, Kept]:
    """What the last keeper of a queue left, also when it has ended."""
    try:
        described = await reply(client, client.get_workflow_handle(keeper_id(queue)).describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return {}
        raise
    left = (await described.memo()).get(MEMO)
    try:
        return Breakers.model_validate(left).kept if left is not None else {}
    except ValidationError:
        return {}  # a keeper of another version; what holds the queue is known without it
