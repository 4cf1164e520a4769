"""What operators ask of breakers: to see them, to open one, to close one, to let probes decide."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

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

_STAMP: Final = timedelta(milliseconds=1)
"""As exactly as a queue's reason tells times."""


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


@dataclass(frozen=True, slots=True)
class _Given:
    """An order that was sent, and the run of the keeper that has it."""

    breaker: Declared
    id: str
    run: str


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
    notices, memories = await _read(client, breakers)
    return [_seen(one, notices[one.queue].get(one.key), memories[one.queue].kept.get(one.key)) for one in breakers]


async def decide(
    client: Client,
    breakers: Sequence[Declared],
    action: Action,
    *,
    by: str,
    reason: str,
    patience: timedelta = _PATIENCE,
) -> list[Seen]:
    """Open, close or reset these breakers, and wait until the orders are carried out. Returns what is so then.

    Raises:
        Refused: `NobodyKeeps` when no process that hosts tasks is there to do it; it is done as soon as one is.
        ServerUnreachable: when the server does not answer.
    """
    given: list[_Given] = []
    for one in breakers:
        order = Order(
            id=uuid4().hex,
            key=one.key,
            action=action,
            by=by,
            reason=reason,
            recovery=one.rule.recovery,
            interval=one.interval,
            probes=one.rule.probes,
        )
        given.append(_Given(one, order.id, await reply(client, send(client, one.queue, order))))
    until = time.monotonic() + patience.total_seconds()
    while True:
        notices, memories = await _read(client, breakers)
        pairs = [(notices[one.queue].get(one.key), memories[one.queue].kept.get(one.key)) for one in breakers]
        if all(_agree(*pair) for pair in pairs) and await _taken(client, given, memories):
            return [_seen(one, *pair) for one, pair in zip(breakers, pairs, strict=True)]
        if time.monotonic() > until:
            raise Refused(
                "NobodyKeeps",
                f"the order is kept by the server, but nobody has carried it out for {patience.total_seconds():g} s: "
                "it takes a process that hosts tasks (`sagamesh up`, or `sagamesh worker` with a pool of tasks)",
            )
        await asyncio.sleep(0.1)


async def _taken(client: Client, given: Iterable[_Given], memories: Mapping[str, Breakers]) -> bool:
    """Whether the keepers have taken these orders. The one who was told may have ended, and another begun since."""
    for order in given:
        queue = order.breaker.queue
        if order.id not in memories[queue].orders and order.id not in (await _memory(client, queue, order.run)).orders:
            return False
    return True


def _agree(notice: Notice | None, kept: Kept | None) -> bool:
    """Whether the queue is held as its keeper wants it, so that nothing it knows is still to be done."""
    if kept is None or kept.phase is Phase.CLOSED:
        return notice is None
    return notice is not None and notice.state == kept.phase and abs(notice.since - kept.since) < _STAMP


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


async def _read(
    client: Client, breakers: Iterable[Declared]
) -> tuple[dict[str, dict[str, Notice]], dict[str, Breakers]]:
    """What these breakers' queues tell, and what their keepers know, by queue."""
    queues = list(dict.fromkeys(one.queue for one in breakers))
    notices = await asyncio.gather(*(reply(client, look(client, queue)) for queue in queues))
    memories = await asyncio.gather(*(_memory(client, queue) for queue in queues))
    return dict(zip(queues, notices, strict=True)), dict(zip(queues, memories, strict=True))


async def _memory(client: Client, queue: str, run: str = "") -> Breakers:
    """What a run of a queue's keeper left, the last one unless said, also when it has ended."""
    nothing = Breakers(queue=queue)
    try:
        keeper = client.get_workflow_handle(keeper_id(queue), run_id=run or None)
        described = await reply(client, keeper.describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return nothing
        raise
    left = (await described.memo()).get(MEMO)
    try:
        return Breakers.model_validate(left) if left is not None else nothing
    except ValidationError:
        return nothing  # a keeper of another version; what holds the queue is known without it
