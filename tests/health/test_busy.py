"""Which queues a process rightly does not poll: by the slots of each, not by those of another."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from temporalio.client import Client as Temporal

from sagamesh import Agent, Client, Message, Pool, ResourceSlots
from sagamesh.health.busy import busy
from sagamesh.inline import inline_queue
from sagamesh.polled_queue import Queue
from sagamesh.routing.bidder import Bidder
from tests.inline.hands import Deed, Done, Work, do, far, hands, undo, work


class Letter(Message):
    """Anything."""


clerk = Agent("clerk")
post = clerk.provider("post", slots=1)
write = clerk.capability("write", takes=Letter, returns=Letter)
send = clerk.capability("send", takes=Letter, returns=Letter, provider=post)


async def answer(letter: Letter) -> Letter:
    raise AssertionError(letter)


async def deed(wanted: Deed) -> Done:
    raise AssertionError(wanted)


@dataclass
class Process:
    """Pools beside each other, and the calls that run in them."""

    client: Temporal
    clerk: Pool
    hands: Pool = field(default_factory=lambda: Pool(hands, slots=2).serve(do, deed).serve(undo, deed).serve(far, deed))
    work: Pool = field(default_factory=lambda: Pool(work.queue).host(work, Work))
    calls: ExitStack = field(default_factory=ExitStack)

    def come(self, pool: Pool, queue: str, number: int = 1) -> None:
        [counts] = [each for each in pool.interceptors(self.client) if isinstance(each, Bidder)]
        for _ in range(number):
            self.calls.enter_context(counts.call("t-1", "a.do", queue))

    def busy(self) -> list[Queue]:
        pools = [self.clerk, self.hands, self.work]
        polled: list[Queue] = [queue for pool in pools for queue in pool.queues]
        inline = inline_queue(work.queue)
        polled.append((inline, "workflows"))
        polled.append((inline, "activities"))
        return [queue for queue in polled if busy(queue, pools)]


def process(client: Client, slots: int | ResourceSlots) -> Process:
    return Process(client.temporal, Pool(clerk, slots=slots).serve(write, answer).serve(send, answer))


@pytest.mark.asyncio
async def test_each_queue_by_its_own_slots(client: Client) -> None:
    here = process(client, 3)
    assert here.busy() == []

    here.come(here.clerk, post.queue)
    assert here.busy() == [(post.queue, "activities")], "one slot, and the agent's own queue has three"
    here.come(here.clerk, clerk.queue, 2)
    assert here.busy() == [(post.queue, "activities")]
    here.come(here.clerk, clerk.queue)
    assert here.busy() == [("clerk", "activities"), (post.queue, "activities")], "and neither hands nor work"

    here.calls.close()
    assert here.busy() == []


@pytest.mark.asyncio
async def test_by_resources_as_soon_as_the_least_runs(client: Client) -> None:
    here = process(client, ResourceSlots(least=2, most=50))

    here.come(here.clerk, clerk.queue)
    assert here.busy() == []
    here.come(here.clerk, clerk.queue)
    assert here.busy() == [("clerk", "activities")]


@pytest.mark.asyncio
async def test_tasks_that_run_inline_by_the_slots_of_those_whom_they_call_on_the_spot(client: Client) -> None:
    here = process(client, 1)
    inline = inline_queue(work.queue)

    here.come(here.clerk, clerk.queue)
    here.come(here.hands, hands.queue, 2)
    assert here.busy() == [("clerk", "activities"), ("hands", "activities")], "the plain queues only"
    here.calls.close()
    here.come(here.hands, inline, 2)
    assert here.busy() == [(inline, "workflows"), (inline, "activities")]
